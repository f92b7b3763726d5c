"""What the API server would allow who asks: SelfSubjectAccessReview; nothing is changed."""

from collections.abc import Iterable

from kubernetes import client

from workflows.cluster.kubernetes_api import TIMEOUT, KubernetesApi


def refused(api: KubernetesApi, needed: Iterable[tuple[str, str, str, str]]) -> list[str]:
    """Those of the requests that would be refused, in words: ``create workflows``.

    Args:
        api: the Kubernetes API.
        needed: namespace (empty for objects of the cluster), API group, resource (``pods`` or ``pods/log``) and verb.

    Raises:
        ConfigurationError: one may not even ask.
    """
    reviews = client.AuthorizationV1Api(api.connection)
    denied = []
    for namespace, group, resource, verb in needed:
        name, _, below = resource.partition("/")
        attributes = {"namespace": namespace, "group": group, "resource": name, "verb": verb}
        body = {"spec": {"resourceAttributes": attributes | ({"subresource": below} if below else {})}}
        said = api.ask(
            "ask for permissions",
            lambda body=body: reviews.create_self_subject_access_review(body, _request_timeout=TIMEOUT),  # type: ignore[misc]
        )
        if not said.status.allowed:
            denied.append(f"{verb} {resource}")
    return denied
