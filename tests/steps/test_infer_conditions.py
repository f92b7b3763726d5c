"""What ails more than one case ends the step with its exit code, loses nothing, and goes on where it was."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from imaging_core import run as layout
from imaging_core.errors import ConfigurationError, InferenceError, LostError, TemporaryError
from imaging_core.inference.pipeline import FETCH_THREADS
from imaging_core.models.unet import UNet
from imaging_core.store import Location, open_store, retry
from imaging_core.store.s3_client import client
from tests import small_run
from tests.http_relay import Fault, running_relay
from tests.mounts import gone, small_disk
from tests.s3_server import BUCKET, S3Server, running_server, running_toxiproxy
from tests.small_run import compared, infer, make_bundle, make_images, make_masks, records, split

PATIENT = "doe-jane-1947"
CASES = 150  # more than one part of the ledger


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> SimpleNamespace:
    """Images with masks, a bundle, and a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("inputs")
    names, masks = make_images(folder / PATIENT, CASES), make_masks(folder / PATIENT, CASES)
    entries = [{"location": name, "label": mask} for name, mask in zip(names, masks, strict=True)]
    dataset = small_run.write_dataset(folder / PATIENT, entries)
    make_bundle(folder / "model", "segmentation", "binary", ["bright"])
    split(dataset, folder / "run", 1)
    infer(folder / "run", folder / "model")
    return SimpleNamespace(dataset=dataset, model=folder / "model", clean=compared(folder / "run"))


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[S3Server]:
    with running_server(tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture
def remote(inputs, server, tmp_path, monkeypatch) -> Iterator[SimpleNamespace]:
    """The same images in a bucket, behind a relay with faults and a line that can be cut; the run on the disk."""
    with running_relay(f"127.0.0.1:{server.port}") as relay, running_toxiproxy(relay.server_address[1]) as line:
        for name, value in server.environment(line.endpoint).items():
            monkeypatch.setenv(name, value)
        client.cache_clear()
        store = open_store(Location.parse(f"s3://{BUCKET}/{PATIENT}"))
        for path in inputs.dataset.parent.iterdir():
            store.put(path.name, path.read_bytes())
        run = tmp_path / "run"
        split(store.root.join(inputs.dataset.name), run, 1)
        monkeypatch.setattr(retry, "_given_up", retry._given_up.copy())
        yield SimpleNamespace(store=store, run=run, model=inputs.model, relay=relay, line=line)
    client.cache_clear()


def ends(run: Path, model: Path, kind: type[InferenceError], message: str) -> None:
    """Inferring ends with this error, which names no file of a patient."""
    with pytest.raises(kind, match=message) as ended:
        infer(run, model)
    assert PATIENT not in str(ended.value)
    assert "scan-" not in str(ended.value)
    assert not (run / "results/000/summary.json").exists()


def without_provenance_of(files: dict[str, bytes]) -> dict[str, bytes]:
    """What does not differ between inputs on a disk and in a bucket: all but the digest of the shard's file."""
    return {name: data for name, data in files.items() if not name.endswith("summary.json")}


def test_a_lost_store_ends_the_step_with_75_and_nothing_is_lost(remote, inputs, monkeypatch):
    monkeypatch.setattr(retry, "GIVE_UP_SECONDS", 1)
    remote.relay.faults = [Fault("GET", "scan-65.", then=lambda: remote.line.enable(False))]
    message = (
        f"^(images|masks) on s3://{BUCKET}: the S3 server at http.* nothing else comes from there; when it is back, run"
    )
    ends(remote.run, remote.model, LostError, message)
    assert LostError.exit_code == 75
    remote.line.enable(True)
    infer(remote.run, remote.model)
    assert without_provenance_of(compared(remote.run)) == without_provenance_of(inputs.clean)


def test_from_a_store_far_away_more_is_fetched_at_once_and_not_a_byte_changes(remote, inputs):
    remote.line.add("latency", latency=100)
    infer(remote.run, remote.model)
    stages = json.loads((remote.run / layout.timing("000")).read_text())["stages"]
    assert stages["fetch"]["threads"] > FETCH_THREADS
    assert without_provenance_of(compared(remote.run)) == without_provenance_of(inputs.clean)


def test_to_a_store_far_away_more_is_written_at_once_and_not_a_byte_changes(remote, inputs):
    run = remote.store.root.join("far")
    split(inputs.dataset, run, 1)
    remote.line.add("latency", latency=50)
    infer(run, remote.model)
    remote.line.remove("latency")
    store = open_store(run)
    stages = json.loads(store.get(layout.timing("000")))["stages"]
    assert stages["finish"]["threads"] >= 4  # the first doubling is a trial
    for key, data in without_provenance_of(inputs.clean).items():
        assert store.get(key) == data


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "InvalidAccessKeyId", "the server refuses the credentials"),
        (400, "ExpiredToken", "the session token has expired"),
        (404, "NoSuchBucket", "there is no bucket"),
    ],
)
def test_what_is_wrong_with_the_whole_store_ends_the_step_with_78(remote, inputs, status, code, message):
    remote.relay.faults = [Fault("GET", f"scan-{number}.", answer=(status, code)) for number in range(66, 96)] * 2
    ends(remote.run, remote.model, ConfigurationError, f"^images on s3://{BUCKET}: {message}")
    assert ConfigurationError.exit_code == 78
    remote.relay.faults = []
    infer(remote.run, remote.model)
    assert without_provenance_of(compared(remote.run)) == without_provenance_of(inputs.clean)


def test_wrong_credentials_end_the_step_before_anything_is_inferred(remote, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-right-one")
    client.cache_clear()
    ends(remote.run, remote.model, ConfigurationError, r"refuses the credentials \(SignatureDoesNotMatch\)")
    assert list(remote.run.glob("results/000/cases/*")) == []
    assert list(remote.run.glob("outputs/*")) == []


def test_an_image_that_is_denied_is_a_failed_case_until_it_is_allowed(remote, server, monkeypatch):
    keys = [
        f"arn:aws:s3:::{BUCKET}/{key}" for key in (f"{PATIENT}/mask-*", *(f"{PATIENT}/scan-{n}*" for n in "12456789"))
    ]
    server.add_user("clinician", "clinicians-secret", keys)
    with monkeypatch.context() as other:
        other.setenv("AWS_ACCESS_KEY_ID", "clinician")
        other.setenv("AWS_SECRET_ACCESS_KEY", "clinicians-secret")
        client.cache_clear()
        infer(remote.run, remote.model)
    failed = {case: each for case, each in records(remote.run).items() if each.state == "failed"}
    assert set(failed) == {"000", "003", *(f"{number:03d}" for number in range(30, 40))}
    assert {(each.kind, each.reason, each.temporary) for each in failed.values()} == {
        ("store", "access to the image is denied", True)
    }
    client.cache_clear()
    infer(remote.run, remote.model)
    assert {each.state for each in records(remote.run).values()} == {"done"}


@pytest.mark.parametrize("role", ["image", "mask"])
def test_what_is_missing_damaged_or_does_not_come_is_a_failed_case(remote, monkeypatch, role):
    prefix = {"image": "scan", "mask": "mask"}[role]
    kinds = {"image": ("missing", "unreadable", "store"), "mask": ("mask_missing", "mask_unreadable", "store")}[role]
    names = [next(key for key in remote.store.list() if key.startswith(f"{prefix}-{number}.")) for number in range(3)]
    remote.store.delete(names[0])
    damaged = remote.store.root.join(names[1])
    client().put_object(damaged.host, damaged.key, io.BytesIO(b"other"), 5, metadata={"sha256": "0" * 64})
    remote.relay.faults = [Fault("GET", names[2], answer=(500, "InternalError")) for _ in range(1000)]
    monkeypatch.setattr(retry, "GIVE_UP_SECONDS", 0)
    infer(remote.run, remote.model)
    found = [each for each in records(remote.run).values() if each.state == "failed"]
    assert [each.kind for each in found] == [*kinds]
    assert [each.reason for each in found] == [
        f"the {role} is not there",
        f"the {role} is damaged: its bytes do not fit their checksum",
        f"the store did not give the {role}",
    ]
    assert [each.temporary for each in found] == [False, False, True]
    remote.relay.faults = []
    infer(remote.run, remote.model)
    assert records(remote.run)["002"].state == "done"


def test_a_store_in_which_nothing_may_be_removed_keeps_the_checkpoints_of_a_shard_that_is_complete(remote, inputs):
    run = remote.store.root.join("kept")
    split(inputs.dataset, run, 1)
    store = open_store(run)
    store.put(layout.checkpoint("000", 0), b"")
    remote.relay.faults = [Fault("POST", "delete", answer=(403, "AccessDenied"))]
    infer(run, remote.model)
    assert remote.relay.faults == []
    assert {layout.summary("000"), layout.checkpoint("000", 0)} <= set(store.list("results/000/"))
    for part in (layout.ledger_part("000", 0), layout.ledger_part("000", 1)):
        assert store.get(part) == inputs.clean[part]


def test_a_full_disk_ends_the_step_with_75_and_leaves_whole_files_and_goes_on_when_there_is_room(inputs, tmp_path):
    with small_disk(tmp_path / "disk", "320k") as disk:
        run = disk.folder / "run"
        split(inputs.dataset, run, 1)
        with (disk.folder / "log").open("wb") as log:  # on the full disk as well
            ended = subprocess.run(
                [sys.executable, "-m", "steps.infer", *small_run.arguments_of(run, inputs.model)],
                env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
                cwd=small_run.PROJECT,
                stdout=log,
                stderr=log,
                check=False,
            )
        assert ended.returncode == 75
        with pytest.raises(TemporaryError, match=f"^{run}/.*: no space left; free some, then run the same again"):
            infer(run, inputs.model)
        written = list((run / "outputs").iterdir())
        assert 0 < len(written) < CASES
        assert not any(path.name.startswith(".") for path in run.rglob("*"))
        for path in written:
            assert path.read_bytes() == inputs.clean[f"outputs/{path.name}"]
        disk.grow("20m")
        infer(run, inputs.model)
        assert without_provenance_of(compared(run)) == without_provenance_of(inputs.clean)


def test_a_network_folder_that_is_gone_ends_the_step_with_75(inputs, tmp_path):
    run = tmp_path / "run"
    split(inputs.dataset, run, 1)
    with gone(inputs.dataset.parent):
        ends(run, inputs.model, LostError, "^images on the disk: the disk or network folder is gone")
    infer(run, inputs.model)
    assert records(run).keys() == {f"{number:03d}" for number in range(CASES)}
    with gone(run), pytest.raises(LostError, match="the disk or network folder is gone"):
        infer(run, inputs.model)


def test_a_gpu_that_fails_ends_the_step_with_75(inputs, tmp_path, monkeypatch):
    def fail(*arguments):
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCompile with ...")

    monkeypatch.setattr(UNet, "forward", fail)
    split(inputs.dataset, tmp_path / "run", 1)
    message = r"^the GPU failed \(CUDA error: an illegal memory access was encountered\); run the same again$"
    ends(tmp_path / "run", inputs.model, TemporaryError, message)
