"""A namespace of a real cluster that enforces Pod Security, with what manifests/base makes, and inputs in a bucket."""

import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from examples.digits.images import write_digits
from imaging_core.store import Location, open_store
from imaging_core.store.base import Store
from tests.example_slides import write_example
from tests.small_run import make_bundle, write_dataset

PROJECT = Path(__file__).parents[2]
BUCKET = "my-bucket"
POD_ENDPOINT = "http://minio.argo:9000"
SECRET = "bucket-credentials"  # noqa: S105 - a name
NEEDED = ("KUBECONFIG", "ARGO_SERVER", "ARGO_TOKEN", "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY", "STEP_IMAGES")
POD_SIZE = ("--cpu", "350m", "--memory", "1500Mi")  # five of them at once on two cores
WAIT_SECONDS = 240
METRIC = r"^argo_workflows_distributed_inference_(\w+)(?:\{.*\})? (\S+)$"


@dataclass
class Cluster:
    """A namespace, and how a person talks to it."""

    namespace: str
    prefix: str
    images: str
    environment: dict[str, str]
    inputs: dict[str, tuple[str, str]] = field(default_factory=dict)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        command = ["kubectl", "-n", self.namespace, *arguments]
        said = subprocess.run(command, input=stdin, capture_output=True, text=True, env=self.environment)
        assert said.returncode == 0, f"{' '.join(command)}: {said.stderr}"
        return said.stdout

    def metrics(self) -> dict[str, float]:
        """What Prometheus would be told of this project, summed over labels: name without prefix to value."""
        running = ("-l", "app=workflow-controller", "--field-selector=status.phase=Running")
        address = self.kubectl("-n", "argo", "get", "pods", *running, "-o", "jsonpath={.items[0].status.podIP}")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with urllib.request.urlopen(f"https://{address}:9090/metrics", context=context) as response:
            told = response.read().decode()
        sums: dict[str, float] = defaultdict(float)
        for name, value in re.findall(METRIC, told, re.MULTILINE):
            sums[name.removesuffix("_total")] += float(value)
        return sums

    def start(self, *arguments: str, api: str = "server", **variables: str) -> "subprocess.Popen[str]":
        environment = self.environment | variables
        if api == "kubernetes":
            environment = {name: value for name, value in environment.items() if name != "ARGO_SERVER"}
        return subprocess.Popen(
            [sys.executable, "-m", "workflows.distributed_inference", *arguments],
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: str, api: str = "server", **variables: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*arguments, api=api, **variables)
        stdout, stderr = process.communicate(timeout=540)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def submission(self, run: str, dataset: str = "digits", shards: int = 2) -> tuple[str, ...]:
        """The options that every submission of these tests has."""
        where, model = self.inputs[dataset]
        return (
            *("--dataset", where, "--model", model, "--run", self.run(run), "--shards", str(shards)),
            *(*POD_SIZE, "--s3-secret", SECRET, "--pod-s3-endpoint", POD_ENDPOINT, "--image", self.images),
        )

    def submit(self, run: str, *options: str, api: str = "server", **inputs: Any) -> str:
        """Submit without a check; the workflow's name."""
        said = self.call("submit", *self.submission(run, **inputs), "--no-check", "--json", *options, api=api)
        assert said.returncode == 0, said.stderr
        return str(json.loads(said.stdout)["workflow"])

    def run_in_image(self, run: str, dataset: str, shards: int) -> None:
        """The same by the local engine in the same image: the toolkit is the gpu image with the command line."""
        folder, _, tag = self.images.rpartition(":")
        where, model = self.inputs[dataset]
        variables = [f"--env={key}" for key in self.environment if key.startswith("AWS_")]
        podman = ["podman", "run", "--rm", "--network=host", "--runtime=runc", "--read-only", "--tmpfs=/tmp"]
        limits = ["--ulimit=nofile=20000:20000", "--ulimit=nproc=20000:20000", f"{folder}/gpu-toolkit:{tag}"]
        command = ["workflows.distributed_inference", "run", "--dataset", where, "--model", model]
        options = ["--run", self.run(run), "--shards", str(shards), "--parallelism", "2", "--device", "cpu"]
        whole = [*podman, *variables, *limits, *command, *options]
        said = subprocess.run(whole, env=self.environment, capture_output=True, text=True)
        assert said.returncode == 0, said.stderr

    def delete_all(self) -> None:
        """Workflows of a test that left some waiting: their pods keep room on the node that others need."""
        self.kubectl("delete", "workflows", "--all", "--wait=false")

    def ended(self, workflow: str, api: str = "server") -> "subprocess.CompletedProcess[str]":
        """Watch it to its end."""
        return self.call("watch", workflow, "--quiet", "--json", "--timeout", "500", api=api)

    def most_at_once(self, workflow: str, step: str | None = None) -> tuple[dict[str, Any], int]:
        """Watch a workflow to its end, which has to be a good one: what is said of it, and its most pods at once."""
        watching, most = self.start("watch", workflow, "--quiet", "--json"), 0
        while watching.poll() is None:
            most = max(most, len(self.pods(workflow, step, "Pending", "Running")))
            time.sleep(0.5)
        stdout, stderr = watching.communicate()
        assert watching.returncode == 0, stderr
        return json.loads(stdout), most

    def run(self, name: str) -> str:
        return f"s3://{BUCKET}/{self.prefix}/runs/{name}"

    def store(self, name: str) -> Store:
        return open_store(Location.parse(self.run(name)))

    def workflow(self, name: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.kubectl("get", "workflow", name, "-o", "json"))
        return value

    def steps(self, workflow: str, step: str) -> list[dict[str, Any]]:
        """What Argo says of each pod that there was for a step."""
        nodes = self.workflow(workflow).get("status", {}).get("nodes", {}).values()
        return [node for node in nodes if node["type"] == "Pod" and node.get("templateName") == step]

    def kubeconfig(self, path: Path, token: str) -> str:
        """The cluster's own, with another user; where it was written."""
        config = json.loads(self.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
        config["users"][0]["user"] = {"token": token}
        path.write_text(json.dumps(config))
        return str(path)

    def pods(self, workflow: str, step: str | None, *phases: str) -> list[str]:
        """Names of the workflow's pods, of a step or of all, in one of these phases or in any."""
        found = json.loads(
            self.kubectl("get", "pods", "-l", f"workflows.argoproj.io/workflow={workflow}", "-o", "json")
        )
        return [
            each["metadata"]["name"]
            for each in found["items"]
            if (step is None or f"-{step}-" in each["metadata"]["name"]) and (not phases or _phase(each) in phases)
        ]

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        """The first value of ``condition`` that is true."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(1)
        raise AssertionError(f"did not come about within {WAIT_SECONDS} s")

    def compared(self, name: str) -> dict[str, bytes]:
        """Every object of a run that may not differ between runs of the same number of shards."""
        differing = (
            "run.json",
            "ro-crate-metadata.json",
            "report/report.html",
            "report/ui/",
            "logs/",
            "inputs/",
            "checks/",
        )
        store = self.store(name)
        keys = [key for key in store.list() if not key.startswith(differing) and not key.endswith("timing.json")]
        return {key: store.get(key) for key in keys}


def _phase(pod: Mapping[str, Any]) -> str:
    """``Running`` means that the main container is, not only Argo's own."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        if status["name"] == "main":
            return "Running" if "running" in status["state"] else str(pod["status"]["phase"])
    return str(pod.get("status", {}).get("phase"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with new_namespace() as made:
        yield made


@contextmanager
def new_namespace() -> Iterator[Cluster]:
    """A namespace, and after it neither that nor what it left in the bucket; skips where there is no cluster."""
    if absent := [name for name in NEEDED if not os.environ.get(name)]:
        pytest.skip(
            f"{', '.join(absent)} unset: ../shared/cluster/up starts a cluster, STEP_IMAGES=PREFIX:TAG names images"
        )
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on PATH")
    name = f"test-{secrets.token_hex(3)}"
    s3 = {
        "AWS_ENDPOINT_URL_S3": os.environ["S3_ENDPOINT"],
        "AWS_ACCESS_KEY_ID": os.environ["S3_ACCESS_KEY"],
        "AWS_SECRET_ACCESS_KEY": os.environ["S3_SECRET_KEY"],
        "AWS_REGION": "us-east-1",
    }
    os.environ.update(s3)  # the tests' own stores
    made = Cluster(name, name, os.environ["STEP_IMAGES"], {**os.environ, "ARGO_NAMESPACE": name, "COLUMNS": "200"})
    made.kubectl("create", "namespace", name)
    try:
        made.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        made.kubectl("apply", "-k", str(PROJECT / "manifests/base"))
        keys = (
            f"--from-literal=accesskey={s3['AWS_ACCESS_KEY_ID']}",
            f"--from-literal=secretkey={s3['AWS_SECRET_ACCESS_KEY']}",
        )
        made.kubectl("create", "secret", "generic", SECRET, *keys)
        yield made
    finally:
        made.kubectl("delete", "namespace", name, "--wait=false")
        store = open_store(Location.parse(f"s3://{BUCKET}/{name}"))
        for key in list(store.list()):
            store.delete(key)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make demo`` made, or would make: the folder ``build/demo`` with ``digits``, ``lenet5`` and ``run``."""
    made = PROJECT / "build/demo"
    if not (made / "run/report/metrics.json").is_file():
        made = tmp_path_factory.mktemp("project") / "build/demo"
        command = [sys.executable, "-m", "examples.digits.demo", "--out", str(made)]
        subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    return made


@pytest.fixture(scope="session")
def digits(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The demo's scanned digits and an untrained LeNet-5, in the bucket: locations of dataset and model."""
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder / "data")
    make_bundle(folder / "model", "classification", "multiclass", [str(digit) for digit in range(10)])
    return _uploaded(cluster, "digits", folder, "digits.yml")


@pytest.fixture(scope="session")
def undisturbed(cluster: Cluster, digits: tuple[str, str]) -> dict[str, bytes]:
    """The bytes of a run over the digits in two shards that nothing happened to."""
    assert json.loads(cluster.ended(cluster.submit("undisturbed")).stdout)["exit_code"] == 0
    return cluster.compared("undisturbed")


@pytest.fixture(scope="session")
def isic(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> tuple[str, str]:
    """Five dermoscopic images with their masks, and an untrained U-Net."""
    folder = tmp_path_factory.mktemp("isic")
    entries = []
    for image in sorted((shared_data / "isic/images").glob("*.jpg")):
        mask = shared_data / f"isic/masks/{image.stem}_segmentation.png"
        for path in (image, mask):
            (folder / "data" / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / "data" / path.parent.name)
        entries.append({"location": f"images/{image.name}", "label": f"masks/{mask.name}"})
    write_dataset(folder / "data", entries)
    size = {"height": 192, "width": 192, "channels": 3}
    picture = np.array(Image.open(image).resize((192, 192), Image.Resampling.BILINEAR))
    make_bundle(folder / "model", "segmentation", "binary", ["lesion"], picture=picture, input=size)
    return _uploaded(cluster, "isic", folder, "crops.yml")


@pytest.fixture(scope="session")
def slides(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two drawn slides with their masks, and an untrained U-Net that sees tiles at 1 micrometre per pixel."""
    folder = tmp_path_factory.mktemp("slides")
    write_example(folder)
    return _uploaded(cluster, "slides", folder, "crops.yml")


def _uploaded(cluster: Cluster, name: str, folder: Path, dataset: str) -> tuple[str, str]:
    where = f"s3://{BUCKET}/{cluster.prefix}/{name}"
    store = open_store(Location.parse(where))

    def put(path: Path) -> None:
        store.put(str(path.relative_to(folder)), path.read_bytes())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, (path for path in sorted(folder.rglob("*")) if path.is_file())))
    cluster.inputs[name] = (f"{where}/data/{dataset}", f"{where}/model")
    return cluster.inputs[name]
