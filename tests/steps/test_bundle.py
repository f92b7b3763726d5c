"""``python -m steps.bundle`` as a person or a script types it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from imaging_core.errors import DataError, UsageError
from imaging_core.models.bundle import load_model
from imaging_core.models.registry import ARCHITECTURES
from imaging_core.store import Location
from steps.bundle import main

LENET = ["--architecture", "lenet5", "--input-size", "16x20", "--channels", "1", "--kind", "multiclass"]
CLASSES = ["--classes", "cat, dog ,cow"]
Said = Callable[[], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return lambda: capsys.readouterr().out


def load(path: Path) -> tuple[dict[str, torch.Tensor], object]:
    card, _, model = load_model(Location.parse(str(path)), torch.device("cpu"))
    return model.state_dict(), card


def test_untrained_weights_make_a_bundle_that_is_told_about(tmp_path: Path, said: Said) -> None:
    out = tmp_path / "bundle"
    options = ["--mean", "0.5", "--std", "0.25", "--batch", "8", "--name", "pets", "--description", "Three pets."]
    assert main(["pack", *LENET, *CLASSES, *options, "--random-seed", "3", "--out", str(out)]) == 0
    assert "packed pets: 16,951 parameters" in said()

    assert main(["inspect", str(out)]) == 0
    shown = said()
    for expected in [
        "pets",
        "Three pets.",
        "classification, multiclass: cat, dog, cow",
        "8 x 1 x 16 x 20",
        "mean (0.5,), std (0.25,)",
        "classifier.6  Linear     3",
    ]:
        assert expected in shown

    assert main(["inspect", str(out), "--json"]) == 0
    described = json.loads(said())
    assert described["parameters"] == 16_951 == sum(layer["parameters"] for layer in described["layers"])
    assert described["card"]["output"]["activation"] == "softmax"
    assert described["card"]["architecture"] == {"name": "lenet5", "parameters": {"width": 1, "dropout": 0.0}}
    assert described["layers"][0] == {"name": "features.0", "kind": "Conv2d", "output": [6, 12, 16], "parameters": 156}
    assert described["sha256"] in shown


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        main(["pack", *LENET, *CLASSES, "--random-seed", seed, "--out", str(tmp_path / name)])
    files = {name: [path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in "abc"}
    assert files["a"] == files["b"]
    assert files["a"] != files["c"]


def test_a_state_dict_goes_in_and_the_same_comes_out(tmp_path: Path) -> None:
    main(["pack", *LENET, *CLASSES, "--random-seed", "3", "--out", str(tmp_path / "a")])
    state, card = load(tmp_path / "a")
    state = {name: tensor + 0.5 for name, tensor in state.items()}
    save_file(state, tmp_path / "state.safetensors")
    torch.save(state, tmp_path / "state.pt")
    weights = ["--weights", str(tmp_path / "state.safetensors")]
    assert main(["pack", *LENET, *CLASSES, *weights, "--out", str(tmp_path / "b")]) == 0
    weights = ["--weights", str(tmp_path / "state.pt")]
    assert main(["pack", *LENET, *CLASSES, *weights, "--trust-model", "--out", str(tmp_path / "c")]) == 0
    for name in "bc":
        packed, its_card = load(tmp_path / name)
        assert all(torch.equal(packed[key], state[key]) for key in state)
        assert its_card.model_copy(update={"weights": None}) == card.model_copy(update={"weights": None})  # type: ignore[attr-defined]


def test_a_pt_file_is_opened_only_on_request(tmp_path: Path) -> None:
    torch.save({"x": torch.zeros(1)}, tmp_path / "state.pt")
    pack = ["pack", *LENET, *CLASSES, "--weights", str(tmp_path / "state.pt"), "--out", str(tmp_path / "out")]
    with pytest.raises(DataError, match=r"can execute code, so they are not opened; .*--trust-model"):
        main(pack)
    with pytest.raises(DataError, match=r"(?s)not the weights of this architecture.*features.0.weight: missing.*x: "):
        main([*pack, "--trust-model"])
    assert not (tmp_path / "out").exists()


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_even_a_trusted_file_gives_only_tensors(tmp_path: Path, zipped: bool) -> None:
    torch.save({"x": Evil(tmp_path / "executed")}, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match=r"PyTorch cannot read it as weights alone; save the state_dict alone"):
        main(["pack", *LENET, *CLASSES, "--weights", str(tmp_path / "m.pt"), "--trust-model", "--out", str(tmp_path)])
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no archive", b"\x80\x02 no pickle", b"something else"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.pt").write_bytes(data)
    with pytest.raises(DataError, match=r"m\.pt: "):
        main(["pack", *LENET, *CLASSES, "--weights", str(tmp_path / "m.pt"), "--trust-model", "--out", str(tmp_path)])


def test_weights_that_do_not_compute_are_refused(tmp_path: Path) -> None:
    main(["pack", *LENET, *CLASSES, "--random-seed", "3", "--out", str(tmp_path / "a")])
    state, _ = load(tmp_path / "a")
    state["features.0.bias"] = torch.full((6,), 3e38)
    save_file(state, tmp_path / "state.safetensors")
    weights = ["--weights", str(tmp_path / "state.safetensors")]
    with pytest.raises(DataError, match="one black image gives values that are not finite"):
        main(["pack", *LENET, *CLASSES, *weights, "--out", str(tmp_path / "b")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*LENET, "--classes", "cat"], "a multiclass output has at least two classes"),
        ([*LENET, *CLASSES, "--mean", "1,2"], "mean has 2 values for 1 channels"),
        ([*LENET, *CLASSES, "--threshold", "2"], "output.threshold"),
        ([*LENET, *CLASSES, "--scaling", "much"], "input.scaling"),
        ([*LENET, *CLASSES, "--task", "segmentation"], "lenet5 is made for classification"),
        ([*LENET, *CLASSES, "--parameter", "widht=2"], r"lenet5 takes: width, dropout"),
        ([*LENET, *CLASSES, "--parameter", "width=two"], r"parameters.width: .*integer"),
        ([*LENET, *CLASSES, "--architecture", "lenet"], "'lenet' is not known; known: lenet5, "),
        ([*LENET, *CLASSES, "--input-size", "8x8"], "must be at least 16"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_written(tmp_path: Path, options: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        main(["pack", *options, "--random-seed", "0", "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--input-size", "32"),
        ("--input-size", "0x32"),
        ("--mean", "a"),
        ("--parameter", "width"),
        ("--random-seed", "-1"),
        ("--kind", "many"),
    ],
)
def test_malformed_options_are_usage_errors(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["pack", *LENET, *CLASSES, "--random-seed", "0", "--out", "x", option, value])
    assert f"argument {option}: " in capsys.readouterr().err


def test_weights_that_are_not_there_are_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--weights .*nowhere: nothing is there"):
        main(["pack", *LENET, *CLASSES, "--weights", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")])


def test_a_segmentation_network_with_its_own_parameters(tmp_path: Path, said: Said) -> None:
    network = ["--architecture", "unet", "--parameter", "width=2", "--parameter", "batch_norm=false"]
    seen = ["--input-size", "32x64", "--channels", "4", "--kind", "binary", "--classes", "lesion"]
    main(["pack", *network, *seen, "--random-seed", "0", "--out", str(tmp_path)])
    said()
    main(["inspect", str(tmp_path), "--json"])
    described = json.loads(said())
    assert described["card"]["task"] == "segmentation"
    assert described["card"]["architecture"]["parameters"] == {"width": 2, "depth": 4, "batch_norm": False}
    assert described["layers"][-1]["output"] == [1, 32, 64]


def test_the_list_names_every_architecture_with_its_parameters(said: Said) -> None:
    main(["list"])
    shown = said()
    main(["list", "--json"])
    described = json.loads(said())
    assert set(described) == set(ARCHITECTURES)
    for name, each in described.items():
        assert name in shown
        assert each["task"] == ARCHITECTURES[name].task
        for parameter, schema in each["parameters"].items():
            assert f"{parameter}=" in shown
            assert {"default", "description"} <= set(schema)


def test_a_damaged_bundle_ends_with_65_and_one_line(tmp_path: Path) -> None:
    main(["pack", *LENET, *CLASSES, "--random-seed", "3", "--out", str(tmp_path)])
    with (tmp_path / "weights.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")
    command = [sys.executable, "-m", "steps.bundle", "inspect", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 65
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: ")
    assert "its SHA-256 is" in ended.stderr
    assert "Traceback" not in ended.stderr
