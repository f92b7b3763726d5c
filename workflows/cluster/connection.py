"""From the environment to a cluster, as Argo's own command and kubectl read it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from imaging_core.errors import ConfigurationError, UsageError
from workflows.cluster.api import WorkflowApi
from workflows.cluster.argo_server import ArgoServer

if TYPE_CHECKING:  # the Kubernetes client takes long to import
    from workflows.cluster.kubernetes_api import KubernetesApi

IN_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
FALSE = {"0", "f", "false", "no"}
HELP = "set ARGO_SERVER and ARGO_TOKEN, or KUBECONFIG"


def connect(namespace: str | None) -> WorkflowApi:
    """The Argo Server of ARGO_SERVER, else the Kubernetes API of KUBECONFIG or of the pod's service account.

    Args:
        namespace: of the workflows; None for ARGO_NAMESPACE, else the context's or the pod's own.

    Raises:
        ConfigurationError: no cluster is configured.
        UsageError: a variable does not say what it should.
    """
    asked = namespace or os.environ.get("ARGO_NAMESPACE") or None
    if os.environ.get("ARGO_SERVER"):
        return _argo_server(os.environ, asked or _namespace_of_files() or "default")
    return connect_kubernetes(asked)


def kubernetes_beside(api: WorkflowApi) -> "KubernetesApi | None":
    """The Kubernetes API of the same namespace; None when an Argo Server is asked and no other way is configured."""
    if isinstance(api, ArgoServer):
        try:
            return connect_kubernetes(api.namespace)
        except ConfigurationError:
            return None
    from workflows.cluster.kubernetes_api import KubernetesApi

    return api if isinstance(api, KubernetesApi) else None


def _argo_server(environment: Mapping[str, str], namespace: str) -> ArgoServer:
    address = environment["ARGO_SERVER"]
    if "://" in address or "/" in address:
        raise UsageError(f"ARGO_SERVER={address}: give host:port; a base path goes into ARGO_BASE_HREF")
    scheme = "https" if _flag(environment, "ARGO_SECURE", default=True) else "http"
    base = environment.get("ARGO_BASE_HREF", "").strip("/")
    token = environment.get("ARGO_TOKEN", "").strip()
    if token and " " not in token:
        token = f"Bearer {token}"
    verify = not _flag(environment, "ARGO_INSECURE_SKIP_VERIFY", default=False)
    return ArgoServer(f"{scheme}://{address}{f'/{base}' if base else ''}", namespace, token, verify)


def connect_kubernetes(namespace: str | None) -> "KubernetesApi":
    """The Kubernetes API of KUBECONFIG or of the pod's service account.

    Args:
        namespace: None for the context's or the pod's own.

    Raises:
        ConfigurationError: no cluster is configured.
    """
    from kubernetes import client, config

    from workflows.cluster.kubernetes_api import KubernetesApi

    settings = client.Configuration()
    try:
        if IN_POD.exists() and not os.environ.get("KUBECONFIG"):
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(client_configuration=settings)
    except config.ConfigException as error:
        raise ConfigurationError(f"no cluster is configured ({error}); {HELP}") from error
    return KubernetesApi(client.ApiClient(settings), namespace or _namespace_of_files() or "default")


def _namespace_of_files() -> str | None:
    """The namespace of the current context, or the pod's own."""
    if IN_POD.exists() and not os.environ.get("KUBECONFIG"):
        return IN_POD.read_text().strip()
    from kubernetes import config

    try:
        _, active = config.list_kube_config_contexts()
    except config.ConfigException:
        return None
    namespace: str | None = (active or {}).get("context", {}).get("namespace")
    return namespace


def _flag(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environment.get(name, "").strip().lower()
    return default if not text else text not in FALSE
