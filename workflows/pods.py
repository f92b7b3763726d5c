"""Where and how the steps' pods run on a cluster: settings that change no result."""

import re
from dataclasses import dataclass
from typing import Literal

from imaging_core import __version__
from imaging_core.errors import UsageError

DEFAULT_IMAGE = f"localhost/distributed-medical-inference:{__version__}"
SERVICE_ACCOUNT = "distributed-inference"
PullPolicy = Literal["Always", "IfNotPresent", "Never"]


@dataclass(frozen=True, slots=True)
class Images:
    """The container images: ``core`` for split and gather (without torch), ``gpu`` for infer."""

    core: str
    gpu: str

    @classmethod
    def under(cls, prefix: str) -> "Images":
        """``registry/project:tag`` gives registry/project/core:tag and …/gpu:tag; the tag defaults to our version.

        Two images that do not lie so, or that a digest names, are ``core=…,gpu=…``.
        """
        if found := re.fullmatch(r"core=([^,]+),gpu=([^,]+)", prefix):
            return cls(*found.groups())
        folder, colon, tag = prefix.rpartition(":")
        if not colon or "/" in tag:
            folder, tag = prefix, __version__
        return cls(core=f"{folder}/core:{tag}", gpu=f"{folder}/gpu:{tag}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """The settings of a run's pods. Names are those of Kubernetes; all objects lie in the run's own namespace.

    Attributes:
        image: where the step images are, see :meth:`Images.under`.
        image_pull_policy: None leaves it to Kubernetes.
        image_pull_secrets: secrets with registry credentials.
        service_account: what the pods run as; it needs no more than to create and patch workflowtaskresults.
        gpus_per_step: GPUs of each infer pod; None for one with ``--device cuda``, else none.
        cpu: of each pod, request and limit; None for as many as a step has threads. Less only makes it slower.
        memory: of each infer pod, request and limit.
        ephemeral_storage: disk of each infer pod for what it spools, request and limit.
        node_selector: labels that a node must have, ``key=value``.
        tolerations: ``key=value:Effect``, ``key:Effect`` or ``key``.
        priority_class: PriorityClass of all pods.
        runtime_class: RuntimeClass of infer pods.
        semaphore: ``configmap/key``: so many infer pods at once, over all workflows that name it.
        active_deadline: seconds after which Argo ends the workflow.
        retry_other_node: whether a retried pod must go to a node where it has not failed. On a single node it waits
            for ever.
        labels: of the workflow and its pods, ``key=value``.
        s3_endpoint: URL by which pods reach S3; None for AWS's own.
        s3_region: its region; None for the pods' default.
        s3_secret: secret that holds the credentials; None for the service account's own identity.
        s3_secret_keys: the secret's keys for access key and secret key.
        ca_secret: secret whose ``ca.crt`` has the certificates that pods trust for S3.
    """

    image: str = DEFAULT_IMAGE
    image_pull_policy: PullPolicy | None = None
    image_pull_secrets: tuple[str, ...] = ()
    service_account: str = SERVICE_ACCOUNT
    gpus_per_step: int | None = None
    cpu: str | None = None
    memory: str = "4Gi"
    ephemeral_storage: str = "4Gi"
    node_selector: tuple[str, ...] = ()
    tolerations: tuple[str, ...] = ()
    priority_class: str | None = None
    runtime_class: str | None = None
    semaphore: str | None = None
    active_deadline: int = 7 * 24 * 3600
    retry_other_node: bool = False
    labels: tuple[str, ...] = ()
    s3_endpoint: str | None = None
    s3_region: str | None = None
    s3_secret: str | None = None
    s3_secret_keys: str = "accesskey,secretkey"  # noqa: S105 - names of keys, as Argo's own quick start has them
    ca_secret: str | None = None

    @property
    def images(self) -> Images:
        """The images of the steps."""
        return Images.under(self.image)

    def gpus_of(self, device: str) -> int:
        """How many GPUs an infer pod has, on a run's ``--device``."""
        return int(device == "cuda") if self.gpus_per_step is None else self.gpus_per_step

    @property
    def access_key_field(self) -> str:
        """The secret's key for the access key's id."""
        return self.s3_secret_keys.split(",")[0]

    @property
    def secret_key_field(self) -> str:
        """The secret's key for the secret access key."""
        return self.s3_secret_keys.split(",")[1]


def pair(text: str) -> tuple[str, str]:
    """``key=value`` in two parts; UsageError for anything else."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"{text!r} is not key=value")
    return key, value


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint that pods tolerate; None stands for any value, any effect."""

    key: str
    value: str | None
    effect: str | None

    @classmethod
    def parse(cls, text: str) -> "Toleration":
        """Read ``key=value:Effect``, ``key:Effect`` or ``key``, as ``kubectl taint`` writes taints."""
        found = re.fullmatch(r"([^=:]+)(?:=([^:]*))?(?::(NoSchedule|PreferNoSchedule|NoExecute))?", text)
        if not found:
            raise UsageError(f"{text!r} is not a toleration: key=value:Effect, key:Effect or key")
        return cls(found[1], found[2], found[3])
