"""A case that cannot be inferred or scored is a line of the ledger; the shard goes on."""

import json
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import tifffile
from PIL import Image

from imaging_core.models.bundle import pack
from imaging_core.models.card import UNPACKED
from imaging_core.models.initialise import initialise
from imaging_core.models.registry import build
from imaging_core.store import Location, retry
from tests import small_run
from tests.small_run import crop, infer, make_bundle, make_images, make_masks, records, split

PATIENT = "doe-jane-1947"


@pytest.fixture
def folder(tmp_path):
    """Six good images with masks, and a bundle; tests spoil what they like."""
    data = tmp_path / PATIENT
    make_images(data, 6)
    make_masks(data, 6)
    make_bundle(tmp_path / "model", "segmentation", "binary", ["bright"])
    return data


def run_of(folder, *options, entries=None, **changes):
    """Infer the six cases, some of their entries changed; returns the run's folder."""
    names = [f"scan-{number}.{small_run.FORMATS[number % 4]}" for number in range(6)]
    entries = [{"location": name, "label": f"mask-{number}.png"} for number, name in enumerate(names)]
    for number, entry in changes.items():
        entries[int(number[1:])] = entry
    split(small_run.write_dataset(folder, entries), folder.parent / "run", 1)
    infer(folder.parent / "run", folder.parent / "model", "000", *options)
    return folder.parent / "run"


def failure_of(run, case):
    """Kind and reason of the one failed case; the others must be done, and no name may have leaked."""
    found = records(run)
    assert [number for number, record in found.items() if record.state == "failed"] == [case]
    assert {record.state for number, record in found.items() if number != case} == {"done"}
    assert not any(case == path.name.split(".")[0] for path in run.glob("outputs/*"))
    ledger = "".join(path.read_text() for path in (run / "results").rglob("*.jsonl"))
    assert PATIENT not in ledger
    assert "scan-" not in ledger
    return found[case].kind, found[case].reason


def test_a_class_where_the_others_have_a_mask(folder):
    kind, reason = failure_of(run_of(folder, _2={"location": "scan-2.tif", "label": 1}), "2")
    assert (kind, reason) == ("mask_missing", "the dataset gives this case a class, but masks for others")


def test_a_mask_where_the_others_have_a_class(folder):
    entries = [{"location": f"scan-{n}.{small_run.FORMATS[n % 4]}", "label": n % 2} for n in range(6)]
    entries[2]["label"] = "mask-2.png"
    split(small_run.write_dataset(folder, entries, ["a", "b"]), folder.parent / "run", 1)
    make_bundle(folder.parent / "classes", "classification", "multiclass", ["a", "b"])
    infer(folder.parent / "run", folder.parent / "classes")
    kind, reason = failure_of(folder.parent / "run", "2")
    assert kind == "label_missing"
    assert "the path of a mask" in reason


def test_a_truncated_image(folder):
    path = folder / "scan-1.jpg"
    path.write_bytes(path.read_bytes()[:900])
    kind, reason = failure_of(run_of(folder), "1")
    assert kind == "unreadable"
    assert "truncated" in reason


def test_an_empty_file(folder):
    (folder / "scan-2.tif").write_bytes(b"")
    assert failure_of(run_of(folder), "2") == ("unreadable", "the image file is empty (zero bytes)")


def test_an_image_that_is_not_there(folder):
    (folder / "scan-0.png").unlink()
    assert failure_of(run_of(folder), "0") == ("missing", "the image is not there")


def test_text_under_the_name_of_an_image(folder):
    (folder / "scan-1.jpg").write_text(f"name: {PATIENT}\n")
    kind, reason = failure_of(run_of(folder), "1")
    assert kind == "unreadable"
    assert "text" in reason


def test_a_format_that_is_not_known(folder):
    Image.fromarray(crop(1)).save(folder / "scan-1.jpg", format="GIF")
    kind, reason = failure_of(run_of(folder), "1")
    assert kind == "unsupported"
    assert "GIF" in reason


def test_limits_of_pixels_and_bytes(folder):
    Image.fromarray(np.zeros((300, 300), np.uint8)).save(folder / "scan-0.png")
    kind, reason = failure_of(run_of(folder, "--max-pixels", "80000"), "0")
    assert kind == "too_large"
    assert "300 x 300" in reason
    assert "--max-pixels" in reason


def test_a_file_longer_than_allowed(folder):
    (folder / "scan-0.png").write_bytes((folder / "scan-0.png").read_bytes() + bytes(50_000))
    kind, reason = failure_of(run_of(folder, "--max-bytes", "40000"), "0")
    assert kind == "too_large"
    assert "--max-bytes" in reason


def test_a_decompression_bomb(folder):
    bomb = bytearray((folder / "scan-0.png").read_bytes())
    bomb[16:24] = struct.pack(">II", 200_000, 200_000)
    (folder / "scan-0.png").write_bytes(bomb)
    assert failure_of(run_of(folder), "0")[0] == "too_large"


def test_a_strip_that_unpacks_to_far_more_than_its_pixels(folder):
    tifffile.imwrite(folder / "scan-2.tif", np.zeros((5000, 5000), np.uint8), compression="zlib", rowsperstrip=5000)
    with tifffile.TiffFile(folder / "scan-2.tif", mode="r+b") as file:
        file.pages.first.tags["ImageLength"].overwrite(40)
        file.pages.first.tags["RowsPerStrip"].overwrite(40)
    assert (folder / "scan-2.tif").stat().st_size < 100_000
    assert failure_of(run_of(folder), "2") == ("unreadable", "the TIFF data is truncated or damaged")


def test_a_mask_that_is_not_there(folder):
    (folder / "mask-3.png").unlink()
    assert failure_of(run_of(folder), "3") == ("mask_missing", "the mask is not there")


def test_a_mask_that_cannot_be_read(folder):
    (folder / "mask-3.png").write_bytes((folder / "mask-3.png").read_bytes()[:-20])
    assert failure_of(run_of(folder), "3")[0] == "mask_unreadable"


def test_a_mask_of_another_size(folder):
    Image.fromarray(np.zeros((7, 9), np.uint8)).save(folder / "mask-3.png")
    size = " x ".join(map(str, crop(3).shape[:2]))
    assert failure_of(run_of(folder), "3") == ("mask_size", f"the mask has 7 x 9 pixels, the image {size}")


def test_a_mask_with_a_class_that_there_is_not(folder):
    make_bundle(folder.parent / "model", "segmentation", "multiclass", ["dark", "bright"], seed=1)
    for number in range(6):
        values = (crop(number).mean(2) > 128) * (7 if number == 4 else 1)
        Image.fromarray(values.astype(np.uint8)).save(folder / f"mask-{number}.png")
    kind, reason = failure_of(run_of(folder), "4")
    assert kind == "mask_value"
    assert "up to 7; the model has classes 0 to 1" in reason


def test_ignored_pixels_are_not_scored(folder):
    output = {"kind": "multiclass", "activation": "softmax", "classes": ["dark", "bright"], "ignore": 255}
    make_bundle(folder.parent / "model", "segmentation", "multiclass", ["dark", "bright"], output=output)
    for number in range(6):
        values = (crop(number).mean(2) > 128).astype(np.uint8)
        values[:3] = 255
        Image.fromarray(values).save(folder / f"mask-{number}.png")
    for number, record in enumerate(records(run_of(folder)).values()):
        height, width = crop(number).shape[:2]
        for counts in record.counts.values():
            assert counts.tp + counts.fp + counts.fn + counts.tn == (height - 3) * width


def test_no_mask_where_the_others_have_one_in_whatever_shard(folder):
    run = run_of(folder, _5={"location": "scan-5.jpg"})
    assert failure_of(run, "5")[0] == "mask_missing"
    split(folder / "crops.yml", folder.parent / "alone", 6)
    for shard in range(6):
        infer(folder.parent / "alone", folder.parent / "model", f"{shard:03d}")
    assert records(folder.parent / "alone") == records(run)


def test_no_label_where_the_others_have_one(tmp_path):
    names = make_images(tmp_path, 3)
    entries = [{"location": names[0], "label": 1}, {"location": names[1]}, {"location": names[2], "label": 0}]
    make_bundle(tmp_path / "model", "classification", "multiclass", ["a", "b"])
    split(small_run.write_dataset(tmp_path, entries, ["a", "b"]), tmp_path / "run", 1)
    infer(tmp_path / "run", tmp_path / "model")
    found = records(tmp_path / "run")
    assert [record.state for record in found.values()] == ["done", "failed", "done"]
    assert found["1"].kind == "label_missing"


def test_a_network_that_overflows(tmp_path):
    entries = [{"location": name} for name in make_images(tmp_path, 3)]
    card = make_bundle(tmp_path / "model", "classification", "multiclass", ["a", "b"])
    state = initialise(build(card, "test"), 1).state_dict()
    huge = {name: tensor * 1e15 for name, tensor in state.items()}
    pack(Location.parse(str(tmp_path / "model")), card.model_copy(update={"weights": UNPACKED}), huge, replace=True)
    split(small_run.write_dataset(tmp_path, entries, ["a", "b"]), tmp_path / "run", 1)
    infer(tmp_path / "run", tmp_path / "model")
    assert {(record.state, record.kind) for record in records(tmp_path / "run").values()} == {("failed", "not_finite")}


def test_all_cases_may_fail(folder):
    for number in range(6):
        (folder / f"scan-{number}.{small_run.FORMATS[number % 4]}").write_bytes(b"")
    run = run_of(folder)
    assert {record.state for record in records(run).values()} == {"failed"}
    assert json.loads((run / "results/000/summary.json").read_text())["failed"] == 6


def test_retry_failed_does_failed_cases_again_and_only_those(folder):
    good = (folder / "scan-1.jpg").read_bytes()
    (folder / "scan-1.jpg").write_bytes(b"")
    run = run_of(folder)
    (folder / "scan-1.jpg").write_bytes(good)
    masks = {path: path.stat().st_mtime_ns for path in (run / "outputs").iterdir()}
    infer(run, folder.parent / "model")
    assert failure_of(run, "1")[0] == "unreadable"  # no retry was asked for, and damage is not temporary
    infer(run, folder.parent / "model", "000", "--retry-failed")
    assert {record.state for record in records(run).values()} == {"done"}
    assert {path: path.stat().st_mtime_ns for path in masks} == masks


class Flaky(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.server.body if self.server.well else b""
        self.send_response(200 if self.server.well else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def test_a_server_that_is_down_is_temporary_and_resuming_mends_it(folder, monkeypatch):
    monkeypatch.setattr(retry, "GIVE_UP_SECONDS", 0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Flaky) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        server.well, server.body = False, (folder / "scan-1.jpg").read_bytes()
        host, run = f"127.0.0.1:{server.server_port}", folder.parent / "run"
        entries = [{"location": "scan-0.png"}, {"location": f"http://{host}/scan-1.jpg"}]
        arguments = ["--split", "test", "--shards", "1", "--run", str(run), "--allow-http", host]
        dataset = small_run.write_dataset(folder, entries)
        assert small_run.split_yaml.main(["--dataset", str(dataset), *arguments]) == 0
        infer(run, folder.parent / "model")
        assert failure_of(run, "1") == ("store", "the store did not give the image")
        assert json.loads((run / "results/000/summary.json").read_text())["temporary"] == 1
        server.well = True
        infer(run, folder.parent / "model")
        assert {record.state for record in records(run).values()} == {"done"}
        server.shutdown()
