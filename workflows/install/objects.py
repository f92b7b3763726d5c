"""Objects of any kind, one by one, through the Kubernetes API."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError

from imaging_core.errors import ConfigurationError, InferenceError, MissingError
from workflows.cluster.kubernetes_api import CONFLICT, KubernetesApi
from workflows.install.render import MANAGER

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reference:
    """Which object; the namespace is empty for one of the cluster."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, manifest: Object) -> "Reference":
        """Of a rendered object."""
        metadata = manifest["metadata"]
        return cls(manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"])

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Objects:
    """Reads, applies and deletes objects; a context manager.

    Errors are those of :meth:`workflows.cluster.kubernetes_api.KubernetesApi.ask`.
    """

    def __init__(self, api: KubernetesApi) -> None:
        self.api = api
        self._cache = tempfile.TemporaryDirectory(prefix="install-")  # what kinds there are: never of an earlier call
        cache = str(Path(self._cache.name) / "kinds.json")
        self._client: Any = api.ask("ask what kinds there are", lambda: DynamicClient(api.connection, cache_file=cache))

    def __enter__(self) -> "Objects":
        return self

    def __exit__(self, *_: object) -> None:
        self._cache.cleanup()

    @property
    def version(self) -> str:
        """Of Kubernetes: ``v1.34.4``."""
        return str(self._client.version["kubernetes"]["gitVersion"])

    def resource(self, api_version: str, kind: str) -> Any:
        """How the cluster calls a kind.

        Raises:
            MissingError: it has none such.
        """
        try:
            return self.api.ask(
                f"ask for {kind}", lambda: self._client.resources.get(api_version=api_version, kind=kind)
            )
        except ResourceNotFoundError as error:
            raise MissingError(f"the cluster knows no {kind} ({api_version})") from error

    def knows(self, reference: Reference) -> bool:
        """Whether the cluster knows the object's kind."""
        try:
            self.resource(reference.api_version, reference.kind)
        except MissingError:
            return False
        return True

    def get(self, reference: Reference) -> Object | None:
        """The object as it is, or None."""
        resource = self.resource(reference.api_version, reference.kind)
        try:
            found = self.api.ask(f"get {reference}", lambda: resource.get(**_place(reference)))
        except MissingError:
            return None
        return dict(found.to_dict())

    def apply(self, manifest: Object, *, dry_run: bool, force: bool) -> Object:
        """Make the object as the manifest has it, and return it.

        Raises:
            ConfigurationError: another has set a field to something else, and ``force`` does not say to take it.
        """
        reference = Reference.of(manifest)
        resource = self.resource(reference.api_version, reference.kind)
        options: dict[str, Any] = {"dry_run": "All"} if dry_run else {}

        def attempt() -> Any:
            try:
                return resource.server_side_apply(
                    body=manifest,
                    **_place(reference),
                    field_manager=MANAGER,
                    force_conflicts=force,
                    query_params=[("fieldValidation", "Strict")],
                    **options,
                )
            except ApiException as error:
                if error.status == CONFLICT:
                    words = " ".join(str(error.summary() if hasattr(error, "summary") else error.reason).split())
                    raise ConfigurationError(
                        f"{reference}: {words}; --force-conflicts puts ours in its place"
                    ) from error
                raise

        return dict(self.api.ask(f"apply {reference}", attempt).to_dict())

    def delete(self, reference: Reference, *, dry_run: bool) -> None:
        """Remove it, and what belongs to it; one that is gone is no error."""
        resource = self.resource(reference.api_version, reference.kind)
        body = {"propagationPolicy": "Background"} | ({"dryRun": ["All"]} if dry_run else {})
        try:
            self.api.ask(f"delete {reference}", lambda: resource.delete(**_place(reference), body=body))
        except MissingError:
            return


def _place(reference: Reference) -> dict[str, str]:
    return {"name": reference.name} | ({"namespace": reference.namespace} if reference.namespace else {})


def problem(reference: Reference, error: InferenceError) -> str:
    """One line of a list of what cannot be done."""
    return str(error) if str(reference) in str(error) else f"{reference}: {error}"
