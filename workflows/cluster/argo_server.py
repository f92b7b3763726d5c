"""Workflows through the Argo Server's REST API."""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import urllib3

from imaging_core.errors import ConfigurationError, DataError, MissingError, TemporaryError
from imaging_core.store.connection import pool, proxy_for, released, what_no_retry_mends
from workflows.cluster.api import Workflow, failure
from workflows.cluster.patience import patiently

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

TIMEOUT = urllib3.Timeout(connect=10, read=60)
FOLLOW_TIMEOUT = urllib3.Timeout(connect=10, read=None)
BRIEF = urllib3.Timeout(connect=10, read=2)
LOGIN = "get a new ARGO_TOKEN (argo auth token)"
GRPC_ALREADY_EXISTS = 6


@dataclass(frozen=True, slots=True)
class ArgoServer:
    """See :class:`workflows.cluster.api.WorkflowApi`.

    Attributes:
        url: ``https://host:port`` and the base path, without a slash at its end.
        namespace: of the workflows.
        token: with its ``Bearer``; empty for none. Never shown.
        verify: whether the server's certificate is checked.
    """

    url: str
    namespace: str
    token: str = field(repr=False)
    verify: bool

    def describe(self) -> str:
        """See WorkflowApi."""
        return f"Argo Server {self.url}, namespace {self.namespace}"

    def create(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Workflow:
        """See WorkflowApi."""
        body = {"workflow": manifest, "createOptions": {"dryRun": ["All"]} if dry_run else {}}
        doing = f"create workflows in namespace {self.namespace}"
        try:
            return self._call("POST", self._path(), doing, {**body, "serverDryRun": dry_run})
        except _ExistsError:
            return self.get(str(manifest["metadata"]["name"]))

    def get(self, name: str) -> Workflow:
        """See WorkflowApi; archived workflows are found, too."""
        return self._call("GET", self._path(name), f"get workflow {name} in namespace {self.namespace}")

    def list(self, labels: Mapping[str, str]) -> list[Workflow]:
        """See WorkflowApi."""
        query = {"listOptions.labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())}
        found = self._call("GET", f"{self._path()}?{urlencode(query)}", f"list workflows in namespace {self.namespace}")
        items: list[Workflow] = found.get("items") or []
        return sorted(items, key=lambda each: str(each["metadata"]["creationTimestamp"]), reverse=True)

    def log(self, workflow: str, pod: str, *, follow: bool) -> Iterator[str]:
        """See WorkflowApi."""
        query = {"podName": pod, "logOptions.container": "main", "logOptions.follow": str(follow).lower()}
        doing = f"read logs of pod {pod} in namespace {self.namespace}"
        path = f"{self._path(workflow)}/log?{urlencode(query)}"
        timeout = FOLLOW_TIMEOUT if follow else TIMEOUT
        with released(patiently(lambda: self._send("GET", path, doing, stream=True, timeout=timeout))) as response:
            for line in _lines(response):
                said = json.loads(line)
                if "result" in said:
                    yield str(said["result"].get("content", ""))
                elif "not found" in str(said.get("error")):
                    raise MissingError(f"{self.url}: pod {pod} is gone")

    def warnings(self, pod: str) -> Sequence[str]:
        """See WorkflowApi. The server has a stream only: what is known comes at once, silence is no failure."""
        query = {"listOptions.fieldSelector": f"involvedObject.name={pod},type=Warning"}
        path = f"/api/v1/stream/events/{quote(self.namespace)}?{urlencode(query)}"
        doing = f"list events of pod {pod} in namespace {self.namespace}"
        found: list[str] = []
        try:
            with released(self._send("GET", path, doing, stream=True, timeout=BRIEF)) as response:
                for line in _lines(response):
                    event = json.loads(line).get("result") or {}
                    found.append(str(event.get("message") or event.get("reason") or ""))
        except TemporaryError:
            pass
        return [each for each in found if each]

    def stop(self, name: str) -> None:
        """See WorkflowApi."""
        self._act(name, "stop")

    def terminate(self, name: str) -> None:
        """See WorkflowApi."""
        self._act(name, "terminate")

    def retry(self, name: str) -> None:
        """See WorkflowApi."""
        self._act(name, "retry")

    def delete(self, name: str) -> None:
        """See WorkflowApi."""
        self._call("DELETE", self._path(name), f"delete workflow {name} in namespace {self.namespace}")

    def link(self, name: str) -> str | None:
        """See WorkflowApi."""
        return f"{self.url}/workflows/{self.namespace}/{name}"

    def version(self) -> str | None:
        """See WorkflowApi."""
        return str(self._call("GET", "/api/v1/version", "ask for the version")["version"])

    def template(self, name: str) -> Workflow:
        """See WorkflowApi."""
        path = f"/api/v1/workflow-templates/{quote(self.namespace)}/{quote(name)}"
        return self._call("GET", path, f"get WorkflowTemplate {name} in namespace {self.namespace}")

    def _act(self, name: str, verb: str) -> None:
        doing = f"{verb} workflow {name} in namespace {self.namespace}"
        self._call("PUT", f"{self._path(name)}/{verb}", doing, {"name": name, "namespace": self.namespace})

    def _path(self, name: str = "") -> str:
        return f"/api/v1/workflows/{quote(self.namespace)}" + (f"/{quote(name)}" if name else "")

    def _call(self, method: str, path: str, doing: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        def attempt() -> dict[str, Any]:
            with released(self._send(method, path, doing, body)) as response:
                try:
                    answer: dict[str, Any] = json.loads(response.data)
                except ValueError as error:
                    words = "does not answer as an Argo Server; check ARGO_SERVER and ARGO_BASE_HREF"
                    raise ConfigurationError(f"{self.url}: {words}") from error
                return answer

        return patiently(attempt)

    def _send(
        self,
        method: str,
        path: str,
        doing: str,
        body: Mapping[str, Any] | None = None,
        *,
        stream: bool = False,
        timeout: urllib3.Timeout = TIMEOUT,
    ) -> "BaseHTTPResponse":
        if not self.verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        headers = {"Authorization": self.token} if self.token else {}
        try:
            response = _connections(self.url, self.verify).request(
                method,
                self.url + path,
                json=body,
                headers=headers,
                timeout=timeout,
                retries=False,
                preload_content=not stream,
            )
        except urllib3.exceptions.HTTPError as error:
            if lasting := what_no_retry_mends(error, "SSL_CERT_FILE"):
                raise ConfigurationError(f"{self.url}: {lasting}") from error
            raise TemporaryError(f"{self.url}: does not answer ({type(error).__name__}); check ARGO_SERVER") from error
        if response.status >= 400:
            raise self._failure(response, doing)
        return response

    def _failure(self, response: "BaseHTTPResponse", doing: str) -> Exception:
        with released(response):
            try:
                said = json.loads(response.data)
                message, code = str(said.get("message", "")), said.get("code")
            except (ValueError, AttributeError):
                message, code = "", None
        if code == GRPC_ALREADY_EXISTS:
            return _ExistsError(message)
        return failure(response.status, message, doing, self.url, login=LOGIN)


@functools.cache
def _connections(url: str, verify: bool) -> "urllib3.PoolManager":
    """One pool per server: a handshake for every poll costs both sides more than the poll."""
    return pool(proxy_for(url), cert_reqs="CERT_REQUIRED" if verify else "CERT_NONE")


class _ExistsError(DataError):
    """A workflow of this name is there."""


def _lines(response: "BaseHTTPResponse") -> Iterator[bytes]:
    rest = b""
    try:
        for chunk in response.stream(64 * 1024):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line for line in lines if line.strip())
    except urllib3.exceptions.HTTPError as error:
        raise TemporaryError(f"the connection broke off ({type(error).__name__})") from error
    if rest.strip():
        yield rest
