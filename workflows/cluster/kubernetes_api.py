"""Workflows straight through the Kubernetes API: nothing but Argo's controller needs to run."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import urllib3
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from imaging_core.errors import ConfigurationError, TemporaryError
from imaging_core.store.connection import what_no_retry_mends
from workflows.cluster.api import GROUP, PLURAL, TEMPLATES, VERSION, Workflow, failure
from workflows.cluster.patience import patiently

TIMEOUT = (10, 60)
FOLLOW_TIMEOUT = (10, None)
CONFLICT = 409
LOGIN = "log in again, or check the user of KUBECONFIG's current context"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class KubernetesApi:
    """See :class:`workflows.cluster.api.WorkflowApi`.

    Attributes:
        connection: to the API server.
        namespace: of the workflows.
    """

    connection: client.ApiClient
    namespace: str

    @property
    def url(self) -> str:
        """Of the API server."""
        return str(self.connection.configuration.host)

    def describe(self) -> str:
        """See WorkflowApi."""
        return f"Kubernetes API {self.url}, namespace {self.namespace}"

    def create(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Workflow:
        """See WorkflowApi."""
        options = {"dry_run": "All"} if dry_run else {}

        def attempt() -> Workflow:
            return dict(
                self._workflows.create_namespaced_custom_object(
                    *self._place, dict(manifest), field_validation="Strict", _request_timeout=TIMEOUT, **options
                )
            )

        name = str(manifest["metadata"]["name"])
        try:
            return self.ask(f"create {PLURAL}", attempt)
        except _ExistsError:
            return self.get(name)

    def get(self, name: str) -> Workflow:
        """See WorkflowApi."""
        attempt = self._workflows.get_namespaced_custom_object
        return dict(self.ask(f"get workflow {name}", lambda: attempt(*self._place, name, _request_timeout=TIMEOUT)))

    def list(self, labels: Mapping[str, str]) -> list[Workflow]:
        """See WorkflowApi."""
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        attempt = self._workflows.list_namespaced_custom_object
        found = self.ask(
            f"list {PLURAL}", lambda: attempt(*self._place, label_selector=selector, _request_timeout=TIMEOUT)
        )
        return sorted(found["items"], key=lambda each: str(each["metadata"]["creationTimestamp"]), reverse=True)

    def log(self, workflow: str, pod: str, *, follow: bool) -> Iterator[str]:
        """See WorkflowApi."""
        attempt = client.CoreV1Api(self.connection).read_namespaced_pod_log
        response = self.ask(
            f"read logs of pod {pod} of workflow {workflow}",
            lambda: attempt(
                pod,
                self.namespace,
                container="main",
                follow=follow,
                _preload_content=False,
                _request_timeout=FOLLOW_TIMEOUT if follow else TIMEOUT,
            ),
        )
        try:
            yield from (line.decode(errors="replace").rstrip("\n") for line in response)
        except urllib3.exceptions.HTTPError as error:
            raise TemporaryError(f"{self.url}: the connection broke off ({type(error).__name__})") from error
        finally:
            response.release_conn()

    def warnings(self, pod: str) -> Sequence[str]:
        """See WorkflowApi."""
        attempt = client.CoreV1Api(self.connection).list_namespaced_event
        selector = f"involvedObject.name={pod},type=Warning"
        found = self.ask(
            f"list events of pod {pod}",
            lambda: attempt(self.namespace, field_selector=selector, _request_timeout=TIMEOUT),
        )
        return [str(event.message or event.reason) for event in found.items]

    def stop(self, name: str) -> None:
        """See WorkflowApi."""
        self._shut_down(name, "Stop")

    def terminate(self, name: str) -> None:
        """See WorkflowApi."""
        self._shut_down(name, "Terminate")

    def retry(self, name: str) -> None:
        """See WorkflowApi."""
        raise ConfigurationError(
            f"retry of {name}: only the Argo Server can do it; set ARGO_SERVER and ARGO_TOKEN, or use resume, which "
            "makes a new workflow for what is missing"
        )

    def delete(self, name: str) -> None:
        """See WorkflowApi."""
        attempt = self._workflows.delete_namespaced_custom_object
        self.ask(f"delete workflow {name}", lambda: attempt(*self._place, name, _request_timeout=TIMEOUT))

    def link(self, name: str) -> str | None:  # noqa: ARG002 - no server is known
        """See WorkflowApi."""
        return None

    def version(self) -> str | None:
        """See WorkflowApi: the controller does not tell."""
        return None

    def template(self, name: str) -> Workflow:
        """See WorkflowApi."""
        attempt = self._workflows.get_namespaced_custom_object
        place = (GROUP, VERSION, self.namespace, TEMPLATES)
        return dict(self.ask(f"get WorkflowTemplate {name}", lambda: attempt(*place, name, _request_timeout=TIMEOUT)))

    def ask(self, doing: str, attempt: Callable[[], Result]) -> Result:
        """Call ``attempt``, again while the API server does not answer; its errors become ours.

        Args:
            doing: what is asked, for messages: ``create workflows``.
            attempt: one call of the Kubernetes client.
        """
        doing = f"{doing} in namespace {self.namespace}"

        def once() -> Result:
            try:
                return attempt()
            except ApiException as error:
                message = _message(error)
                if error.status == CONFLICT and "AlreadyExists" in str(error.body):
                    raise _ExistsError(message) from error
                raise failure(error.status or 0, message, doing, self.url, login=LOGIN) from error
            except urllib3.exceptions.HTTPError as error:
                if lasting := what_no_retry_mends(error, "certificate-authority in KUBECONFIG"):
                    raise ConfigurationError(f"{self.url}: {lasting}") from error
                raise TemporaryError(
                    f"{self.url}: does not answer ({type(error).__name__}); check KUBECONFIG"
                ) from error

        return patiently(once)

    def _shut_down(self, name: str, how: str) -> None:
        attempt = self._workflows.patch_namespaced_custom_object
        body = {"spec": {"shutdown": how}}
        doing = f"{how.lower()} workflow {name}"
        self.ask(doing, lambda: attempt(*self._place, name, body, _request_timeout=TIMEOUT))

    @property
    def _workflows(self) -> client.CustomObjectsApi:
        return client.CustomObjectsApi(self.connection)

    @property
    def _place(self) -> tuple[str, str, str, str]:
        return GROUP, VERSION, self.namespace, PLURAL


class _ExistsError(Exception):
    """A workflow of this name is there."""


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason or "")
