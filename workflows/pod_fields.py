"""The fields of a workflow and its templates that settle how pods run: security, storage, credentials, placement.

Every pod, Argo's own containers in it included, passes Pod Security's ``restricted`` level.
"""

import json
from dataclasses import dataclass
from typing import Any

from hera.workflows import Env, SecretEnv
from hera.workflows.models import (
    ArtifactLocation,
    Capabilities,
    ConfigMapKeySelector,
    EmptyDirVolumeSource,
    EnvVar,
    KeyToPath,
    LocalObjectReference,
    Metadata,
    PodGC,
    PodSecurityContext,
    RetryAffinity,
    RetryNodeAntiAffinity,
    S3Artifact,
    SeccompProfile,
    SecretKeySelector,
    SecretVolumeSource,
    SecurityContext,
    SemaphoreRef,
    Synchronization,
    TTLStrategy,
    Volume,
    VolumeMount,
)
from hera.workflows.models import Toleration as TolerationModel

from imaging_core import run
from imaging_core.store import Location
from imaging_core.store.location import S3
from workflows.manifest import model
from workflows.pods import Pods, Toleration, pair

USER = 10001
"""The images' own user; see containers/."""

GRACE_SECONDS = 30
"""From SIGTERM to SIGKILL: a step ends within 10, Argo saves its log and outputs in the rest."""

KEPT_SECONDS = 7 * 24 * 3600
"""How long the Workflow object stays after its end; the run itself stays in the bucket."""

POD_KEPT = "600s"
"""How long pods of a workflow that succeeded stay, for who reads their logs."""

TMP = "/tmp"  # noqa: S108 - a volume of the pod's own, the only place that can be written
CA_FOLDER = "/etc/s3-ca"
CA_FILE = "ca.crt"
"""As cert-manager and Kubernetes name it."""

DEFAULT_ENDPOINT = "https://s3.amazonaws.com"
SHARED_MEMORY = "1Gi"


@dataclass(frozen=True, slots=True)
class Place:
    """A prefix of a bucket, whose name and key may be expressions of Argo."""

    bucket: str
    key: str

    @classmethod
    def of(cls, location: Location) -> "Place | None":
        """None for what does not lie in S3."""
        return cls(location.host, location.key) if location.scheme == S3 else None

    def join(self, *parts: str) -> "Place":
        """The place below this one."""
        return Place(self.bucket, "/".join(part for part in (self.key, *parts) if part))


def workflow_fields(pods: Pods, labels: dict[str, str]) -> dict[str, Any]:
    """Arguments of Hera's Workflow that hold for all pods.

    Args:
        pods: the settings.
        labels: the workflow's own; pods get them too.
    """
    return {
        "labels": labels,
        "service_account_name": pods.service_account,
        "active_deadline_seconds": pods.active_deadline,
        "pod_gc": model(PodGC, strategy="OnWorkflowSuccess", delete_delay_duration=POD_KEPT),
        "ttl_strategy": model(TTLStrategy, seconds_after_completion=KEPT_SECONDS),
        "pod_metadata": model(
            Metadata, labels=labels, annotations={"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
        ),
        "security_context": model(
            PodSecurityContext,
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,
            seccomp_profile=model(SeccompProfile, type="RuntimeDefault"),
        ),
        "pod_spec_patch": _pod_spec_patch(),
        "image_pull_secrets": [model(LocalObjectReference, name=name) for name in pods.image_pull_secrets] or None,
        "node_selector": dict(pair(text) for text in pods.node_selector) or None,
        "tolerations": [_toleration(Toleration.parse(text)) for text in pods.tolerations] or None,
        "pod_priority_class_name": pods.priority_class,
    }


def template_fields(
    pods: Pods, place: Place | None, *, storage: str, gpus: int = 0, patch: str | None = None
) -> dict[str, Any]:
    """Arguments of Hera's Container: a read-only root, a place to write, credentials, and a log that is kept.

    Args:
        pods: the settings.
        place: the run, where logs are kept; None when it does not lie in a bucket.
        storage: size of the place to write.
        gpus: how many the pod may have.
        patch: of the pod's own, JSON.
    """
    volumes = [model(Volume, name="tmp", empty_dir=model(EmptyDirVolumeSource, size_limit=storage))]
    mounts = [model(VolumeMount, name="tmp", mount_path=TMP)]
    if gpus:
        memory = model(EmptyDirVolumeSource, medium="Memory", size_limit=SHARED_MEMORY)
        volumes.append(model(Volume, name="shared-memory", empty_dir=memory))
        mounts.append(model(VolumeMount, name="shared-memory", mount_path="/dev/shm"))  # noqa: S108
    if pods.ca_secret:
        items = [model(KeyToPath, key=CA_FILE, path=CA_FILE)]
        secret = model(SecretVolumeSource, secret_name=pods.ca_secret, items=items)
        volumes.append(model(Volume, name="s3-ca", secret=secret))
        mounts.append(model(VolumeMount, name="s3-ca", mount_path=CA_FOLDER, read_only=True))
    return {
        "image_pull_policy": pods.image_pull_policy,
        "security_context": model(
            SecurityContext,
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=model(Capabilities, drop=["ALL"]),
        ),
        "volumes": volumes,
        "volume_mounts": mounts,
        "archive_location": None
        if place is None
        else model(ArtifactLocation, archive_logs=True, s3=s3_object(pods, place.join(f"{run.LOGS}{{{{pod.name}}}}"))),
        "pod_spec_patch": patch,
    }


def environment(pods: Pods) -> list[Env | EnvVar | SecretEnv]:
    """What pods need to reach S3, by AWS's own names."""
    plain = {
        "AWS_ENDPOINT_URL_S3": pods.s3_endpoint,
        "AWS_REGION": pods.s3_region,
        "AWS_CA_BUNDLE": f"{CA_FOLDER}/{CA_FILE}" if pods.ca_secret else None,
    }
    found: list[Env | EnvVar | SecretEnv] = [Env(name=name, value=value) for name, value in plain.items() if value]
    if pods.s3_secret:
        found += [
            SecretEnv(name="AWS_ACCESS_KEY_ID", secret_name=pods.s3_secret, secret_key=pods.access_key_field),
            SecretEnv(name="AWS_SECRET_ACCESS_KEY", secret_name=pods.s3_secret, secret_key=pods.secret_key_field),
        ]
    return found


def s3_object(pods: Pods, place: Place) -> S3Artifact:
    """An object or prefix as Argo's executor reaches it, by the pods' own endpoint and credentials."""
    scheme, _, host = (pods.s3_endpoint or DEFAULT_ENDPOINT).rpartition("://")
    secret, ca = pods.s3_secret, pods.ca_secret
    return model(
        S3Artifact,
        endpoint=host.rstrip("/"),
        insecure=scheme == "http" or None,
        region=pods.s3_region,
        bucket=place.bucket,
        key=place.key,
        access_key_secret=model(SecretKeySelector, name=secret, key=pods.access_key_field) if secret else None,
        secret_key_secret=model(SecretKeySelector, name=secret, key=pods.secret_key_field) if secret else None,
        use_sdk_creds=None if secret else True,
        ca_secret=model(SecretKeySelector, name=ca, key=CA_FILE) if ca else None,
    )


def semaphore(text: str) -> Synchronization:
    """At most as many at once as the ConfigMap says under the key: ``configmap/key``."""
    name, _, key = text.partition("/")
    reference = model(ConfigMapKeySelector, name=name, key=key)
    return model(Synchronization, semaphores=[model(SemaphoreRef, config_map_key_ref=reference)])


def other_node() -> RetryAffinity:
    """A retry must go to a node where the pod has not failed."""
    return model(RetryAffinity, node_anti_affinity=model(RetryNodeAntiAffinity))


def _pod_spec_patch() -> str:
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return json.dumps(
        {
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "initContainers": [{"name": "init", "securityContext": restricted}],
            "containers": [{"name": "wait", "securityContext": restricted}],
        }
    )


def _toleration(wanted: Toleration) -> TolerationModel:
    operator = "Exists" if wanted.value is None else "Equal"
    return model(TolerationModel, key=wanted.key, operator=operator, value=wanted.value, effect=wanted.effect)
