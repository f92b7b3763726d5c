"""What a cluster offers of one namespace's workflows, whichever way it is reached."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from imaging_core.errors import ConfigurationError, DataError, InferenceError, MissingError, TemporaryError

Workflow = dict[str, Any]
"""A Workflow object, as JSON has it."""

GROUP, VERSION, PLURAL = "argoproj.io", "v1alpha1", "workflows"
TEMPLATES = "workflowtemplates"


class WorkflowApi(Protocol):
    """One namespace's workflows.

    Every method tries again while the cluster does not answer, for a minute or so, and raises
    :class:`~imaging_core.errors.TemporaryError` then; ConfigurationError when the cluster refuses who asks;
    MissingError when there is no such workflow.
    """

    @property
    def namespace(self) -> str:
        """Where workflows are looked for and made."""
        ...

    def describe(self) -> str:
        """What is asked, for a person: ``Argo Server https://argo.example.org, namespace imaging``."""
        ...

    def create(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Workflow:
        """Create a workflow that has a name; when it is there already, that one is it.

        Args:
            manifest: the Workflow.
            dry_run: the cluster checks it only, and creates nothing.

        Raises:
            DataError: the cluster does not accept it.
        """
        ...

    def get(self, name: str) -> Workflow:
        """The workflow as it is now."""
        ...

    def list(self, labels: Mapping[str, str]) -> list[Workflow]:
        """The workflows with these labels, newest first; their nodes may be left out."""
        ...

    def log(self, workflow: str, pod: str, *, follow: bool) -> Iterator[str]:
        """The lines that the main container of a pod has printed, and with ``follow`` those that are to come.

        Raises:
            MissingError: the pod is gone.
        """
        ...

    def warnings(self, pod: str) -> Sequence[str]:
        """What Kubernetes warns of a pod: a volume that cannot be mounted, say; the newest last."""
        ...

    def stop(self, name: str) -> None:
        """End the workflow's pods with SIGTERM; what always runs at the end still does."""
        ...

    def terminate(self, name: str) -> None:
        """End the workflow's pods, and start nothing any more."""
        ...

    def retry(self, name: str) -> None:
        """Run again what failed of a workflow that has ended, as ``argo retry`` does.

        Raises:
            ConfigurationError: it takes the Argo Server, which is not what is asked here.
            DataError: the workflow has not failed.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove the workflow and its pods; the run's files in the bucket stay."""
        ...

    def link(self, name: str) -> str | None:
        """The workflow's page in Argo's UI; None when no server is known."""
        ...

    def version(self) -> str | None:
        """Argo's version; None where it cannot be asked."""
        ...

    def template(self, name: str) -> Workflow:
        """The namespace's WorkflowTemplate of this name.

        Raises:
            MissingError: there is none.
        """
        ...


def failure(status: int, message: str, doing: str, where: str, *, login: str) -> InferenceError:
    """The error that an answer of the API server or the Argo Server means.

    Args:
        status: of HTTP.
        message: the server's words.
        doing: what was asked: ``create workflows in namespace imaging``.
        where: who was asked.
        login: what to do when the credentials are refused.
    """
    words = message.strip().rstrip(".") or f"HTTP {status}"
    if status == 401:
        return ConfigurationError(f"{where}: the credentials are wrong or have expired; {login}")
    if status == 403:
        return ConfigurationError(f"{where}: not allowed to {doing} ({words}); ask for a Role that allows it")
    if status == 404:
        return MissingError(f"{where}: cannot {doing}: {words}")
    if status == 429 or status >= 500:
        return TemporaryError(f"{where}: HTTP {status} ({words})")
    return DataError(f"{where}: refuses to {doing}: {words}")
