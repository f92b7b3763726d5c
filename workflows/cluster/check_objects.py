"""What the namespace must hold and allow before a run: asked of the Kubernetes API, nothing is changed."""

from collections.abc import Callable, Iterator
from typing import Any

from kubernetes import client

from imaging_core.errors import ConfigurationError, InferenceError, MissingError
from workflows.cluster.api import GROUP, PLURAL
from workflows.cluster.findings import Finding
from workflows.cluster.kubernetes_api import TIMEOUT, KubernetesApi
from workflows.cluster.permissions import refused
from workflows.pod_fields import CA_FILE
from workflows.pods import Pods

GPU = "nvidia.com/gpu"
NEEDED = (
    *((GROUP, PLURAL, verb) for verb in ("create", "get", "list", "patch", "delete")),
    ("", "pods/log", "get"),
)
_UNITS = {"m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def check_objects(api: KubernetesApi, pods: Pods, *, gpus: int, threads: int) -> Iterator[Finding]:
    """Look at permissions, the namespace and the objects in it that the pods' settings name, and at nodes.

    Args:
        api: the Kubernetes API.
        pods: settings of the pods.
        gpus: of each infer pod.
        threads: of each infer pod.
    """
    core = client.CoreV1Api(api.connection)
    yield _namespace(api, core)
    yield from _permissions(api)
    yield _there(
        api,
        f"service account {pods.service_account}",
        lambda: core.read_namespaced_service_account(pods.service_account, api.namespace, _request_timeout=TIMEOUT),
        "kubectl apply -k manifests/base makes it with its Role; or name another: --service-account",
    )
    secrets = dict.fromkeys(pods.image_pull_secrets, ())
    wanted: dict[str, tuple[str, ...]] = dict(secrets)
    if pods.s3_secret:
        wanted[pods.s3_secret] = (pods.access_key_field, pods.secret_key_field)
    if pods.ca_secret:
        wanted[pods.ca_secret] = (CA_FILE,)
    for name, keys in wanted.items():
        yield _with_keys(
            api,
            f"secret {name}",
            lambda name=name: core.read_namespaced_secret(name, api.namespace, _request_timeout=TIMEOUT),  # type: ignore[misc]
            keys,
            f"kubectl create secret generic {name} --from-literal=KEY=VALUE …",
        )
    if pods.semaphore:
        name, _, key = pods.semaphore.partition("/")
        yield _with_keys(
            api,
            f"ConfigMap {name} of the semaphore",
            lambda: core.read_namespaced_config_map(name, api.namespace, _request_timeout=TIMEOUT),
            (key,),
            f"kubectl create configmap {name} --from-literal={key}=4",
        )
    if pods.priority_class:
        classes = client.SchedulingV1Api(api.connection)
        yield _there(
            api,
            f"PriorityClass {pods.priority_class}",
            lambda: classes.read_priority_class(pods.priority_class, _request_timeout=TIMEOUT),
            "ask an administrator for it, or leave --priority-class out",
        )
    if pods.runtime_class and gpus:
        runtimes = client.NodeV1Api(api.connection)
        yield _there(
            api,
            f"RuntimeClass {pods.runtime_class}",
            lambda: runtimes.read_runtime_class(pods.runtime_class, _request_timeout=TIMEOUT),
            "ask an administrator for it, or leave --runtime-class out",
        )
    yield _room(api, core, pods, gpus, threads)


def _namespace(api: KubernetesApi, core: Any) -> Finding:
    return _there(
        api,
        f"namespace {api.namespace}",
        lambda: core.read_namespace(api.namespace, _request_timeout=TIMEOUT),
        "give another with --namespace",
    )


def _permissions(api: KubernetesApi) -> Iterator[Finding]:
    try:
        denied = refused(api, [(api.namespace, *needed) for needed in NEEDED])
    except ConfigurationError as error:
        yield Finding("permissions", "not checked", str(error))
        return
    if denied:
        yield Finding("permissions", "wrong", f"you may not {', '.join(denied)} in {api.namespace}; ask for a Role")
    else:
        yield Finding("permissions", "ok")


def _there(api: KubernetesApi, what: str, read: Callable[[], Any], fix: str) -> Finding:
    return _with_keys(api, what, read, (), fix)


def _with_keys(api: KubernetesApi, what: str, read: Callable[[], Any], keys: tuple[str, ...], fix: str) -> Finding:
    """An object, and the keys of its data: never their values."""
    try:
        found = api.ask(f"get {what}", read)
    except MissingError:
        return Finding(what, "wrong", f"there is none; {fix}")
    except InferenceError as error:
        return Finding(what, "not checked", str(error))
    if absent := [key for key in keys if key not in (found.data or {})]:
        return Finding(
            what, "wrong", f"has no key {', '.join(absent)}; there are {', '.join(sorted(found.data or {}))}"
        )
    return Finding(what, "ok")


def _room(api: KubernetesApi, core: Any, pods: Pods, gpus: int, threads: int) -> Finding:
    """Whether any node is large enough for an infer pod when nothing else runs there."""
    selector = ",".join(pods.node_selector)
    cpu = pods.cpu or str(threads)
    what = f"a node with {cpu} CPU, {pods.memory} memory{f', {gpus} GPU' if gpus else ''}"
    try:
        nodes = api.ask("list nodes", lambda: core.list_node(label_selector=selector, _request_timeout=TIMEOUT)).items
    except InferenceError as error:
        return Finding(what, "not checked", str(error))
    if not nodes:
        return Finding(what, "wrong", f"no node has the labels {selector}; mend --node-selector")
    sizes = [{key: quantity(value) for key, value in node.status.allocatable.items()} for node in nodes]
    wanted = {"cpu": quantity(cpu), "memory": quantity(pods.memory)} | ({GPU: float(gpus)} if gpus else {})
    if any(all(size.get(key, 0) >= least for key, least in wanted.items()) for size in sizes):
        return Finding(what, "ok")
    most = max(size.get(GPU, 0) for size in sizes)
    if gpus and most < gpus:
        return Finding(
            what, "wrong", f"the largest of {len(nodes)} nodes has {most:.0f} {GPU}; its pods would wait for ever"
        )
    return Finding(what, "wrong", f"none of {len(nodes)} nodes is so large; lower --memory or --threads-per-step")


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number: ``250m`` is 0.25, ``2Ki`` 2048."""
    digits = text.rstrip("mkKMGTi")
    return float(digits) * _UNITS[text[len(digits) :]]
