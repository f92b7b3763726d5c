"""From answers to the objects of a namespace, by kubectl's kustomize."""

import ipaddress
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from imaging_core.errors import ConfigurationError
from workflows.install.answers import MANIFESTS, Answers

LABEL = "app.kubernetes.io/managed-by"
MANAGER = "distributed-inference-install"
RENDER_SECONDS = 120
_IN_CLUSTER = ("svc", "cluster", "local")


def render(answers: Answers, namespace: str, argo_manifests: Path | None) -> list[dict[str, Any]]:
    """The objects, in an order in which each may be applied.

    Args:
        answers: see there.
        namespace: of all objects that lie in one.
        argo_manifests: the folder ``manifests`` of a copy of Argo Workflows; None to have kubectl fetch it.

    Raises:
        ConfigurationError: kubectl is missing, too old, or cannot fetch.
    """
    with tempfile.TemporaryDirectory(prefix="install-") as folder:
        here = Path(folder)
        shutil.copytree(MANIFESTS, here / "manifests")
        if argo_manifests:
            _take_copy(argo_manifests, here)
        _render_templates(answers, here / "manifests/base/templates")
        (here / "answers").mkdir()
        (here / "answers/kustomization.yaml").write_text(yaml.safe_dump(_kustomization(answers, namespace)))
        return list(yaml.safe_load_all(_kustomize(here / "answers")))


def as_yaml(objects: list[dict[str, Any]]) -> str:
    """What ``kubectl apply -f -`` reads."""
    return yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True, width=120)


def example_values(objects: list[dict[str, Any]]) -> list[str]:
    """The objects that still hold a value of the example, ``example.org``."""
    return [
        f"{each['kind']} {each['metadata']['name']}"
        for each in objects
        if "example.org" in yaml.safe_dump(each, width=1000)
    ]


def _take_copy(argo_manifests: Path, here: Path) -> None:
    wanted = "namespace-install"
    if not (argo_manifests / wanted / "kustomization.yaml").is_file():
        raise ConfigurationError(
            f"--argo-manifests {argo_manifests}: there is no {wanted}/kustomization.yaml; give the folder manifests/ "
            "of a copy of github.com/argoproj/argo-workflows"
        )
    shutil.copytree(argo_manifests, here / "argo-workflows")
    path = here / "manifests/argo/kustomization.yaml"
    path.write_text(
        yaml.safe_dump(yaml.safe_load(path.read_text()) | {"resources": [f"../../argo-workflows/{wanted}"]})
    )


def _render_templates(answers: Answers, folder: Path) -> None:
    """WorkflowTemplates are rendered anew by their own command: they hold images, endpoint and secret many times."""
    options = {
        "--image": answers.image,
        "--pod-s3-endpoint": answers.s3_endpoint,
        "--s3-secret": answers.s3_secret,
        "--runs": answers.runs,
    }
    given = [part for option, value in options.items() if value for part in (option, value)]
    if not given or not folder.is_dir():
        return
    command = [sys.executable, "-m", "workflows.templates", "render", "--out", str(folder), *given]
    said = subprocess.run(command, capture_output=True, text=True, cwd=MANIFESTS.parent)
    if said.returncode:
        raise ConfigurationError(f"the templates: {said.stderr.strip().removeprefix('error: ')}")


def _kustomization(answers: Answers, namespace: str) -> dict[str, Any]:
    patches = []
    if answers.parallelism:
        patches.append(_replace("ConfigMap", "distributed-inference-limits", "/data/infer", str(answers.parallelism)))
    if answers.gpus:
        path = "/spec/hard/requests.nvidia.com~1gpu"
        patches.append(_replace("ResourceQuota", "distributed-inference", path, str(answers.gpus)))
    if answers.s3_endpoint or answers.s3_cidrs:
        egress = _egress(answers, namespace)
        patches.append(_replace("NetworkPolicy", "distributed-inference-s3", "/spec/egress", [egress]))
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": [f"../manifests/overlays/{answers.overlay}"],
        "labels": [{"pairs": {LABEL: MANAGER}}],
        "patches": patches,
        "sortOptions": {"order": "legacy"},
    }


def _replace(kind: str, name: str, path: str, value: Any) -> dict[str, Any]:
    return {
        "target": {"kind": kind, "name": name},
        "patch": yaml.safe_dump([{"op": "replace", "path": path, "value": value}]),
    }


def _egress(answers: Answers, namespace: str) -> dict[str, Any]:
    """Where S3 is, as a network policy can say it: a namespace, or addresses; a name outside only gives the port."""
    parts = urlsplit(answers.s3_endpoint or "https:")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    rule: dict[str, Any] = {"ports": [{"port": port, "protocol": "TCP"}]}
    to = [{"ipBlock": {"cidr": cidr}} for cidr in answers.s3_cidrs]
    if not to and parts.hostname:
        to = _peers(parts.hostname, namespace)
    return rule | ({"to": to} if to else {})


def _peers(host: str, namespace: str) -> list[dict[str, Any]]:
    try:
        return [{"ipBlock": {"cidr": str(ipaddress.ip_network(host))}}]
    except ValueError:
        pass
    labels = host.split(".")
    if len(labels) > 2 and (labels[2] not in _IN_CLUSTER or host.count(".svc") != 1):
        return []
    there = labels[1] if len(labels) > 1 else namespace
    return [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": there}}}]


def _kustomize(folder: Path) -> str:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise ConfigurationError(
            "kubectl is not on PATH; its kustomize renders the manifests: install kubectl 1.27 or newer"
        )
    try:
        said = subprocess.run(
            [kubectl, "kustomize", str(folder)],
            capture_output=True,
            text=True,
            timeout=RENDER_SECONDS,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(f"kubectl kustomize did not end within {RENDER_SECONDS} s; {_OFFLINE}") from error
    if said.returncode:
        words = " ".join(said.stderr.replace(str(folder.parent), "").split())
        raise ConfigurationError(f"kubectl kustomize: {words}{f'; {_OFFLINE}' if 'github.com' in words else ''}")
    return said.stdout


_OFFLINE = "where GitHub is out of reach give --argo-manifests FOLDER, a copy of Argo's own"
