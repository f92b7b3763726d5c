"""``python -m steps.train`` on a small real dataset: the bundle, its bytes, and what it refuses."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from imaging_core.errors import DataError, UsageError
from imaging_core.models.bundle import load_model
from imaging_core.store import Location
from steps.train import main

NETWORK = ["--architecture", "lenet5", "--input-size", "16x16", "--channels", "1", "--batch", "8", "--device", "cpu"]
QUICK = [*NETWORK, "--epochs", "3", "--shift", "1"]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Bright left or right halves in noise; the test images do not exist."""
    random = np.random.default_rng(0)
    entries = []
    for index in range(40):
        image = random.integers(0, 128, (12, 12), dtype=np.uint8)
        side = int(random.integers(2))
        image[:, 6 * side : 6 * side + 6] += 127
        Image.fromarray(image).save(tmp_path / f"{index}.png")
        entries.append({"location": f"{index}.png", "label": ["left", "right"][side]})
    entries += [{"location": f"nowhere{index}.png", "label": "left"} for index in range(5)]
    split = {"training": list(range(24)), "validation": list(range(24, 40)), "test": list(range(40, 45))}
    path = tmp_path / "halves.yml"
    values = {"name": "halves", "classes": ["left", "right"], "images": entries, "split": split}
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_network_is_trained_without_touching_the_test_images(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"
    assert main(["--dataset", str(dataset), *NETWORK, "--epochs", "12", "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("epoch  1/12  loss ")
    assert "accuracy" in lines[0]
    assert lines[-2] == f"trained model bundle: {out}"
    assert "python -m workflows.distributed_inference run --dataset" in lines[-1]
    assert lines[-1].endswith(f"--model {out} --split test --shards 4")

    card, _, model = load_model(Location.parse(str(out)), torch.device("cpu"))
    assert card.name == "lenet5 on halves"
    assert card.description.startswith("Trained on 24 images of halves (split training), stopped early on 16")
    assert card.output.classes == ("left", "right")
    assert (card.output.kind, card.output.activation, card.batch) == ("multiclass", "softmax", 8)

    right = 0
    labels = [entry["label"] for entry in yaml.safe_load(dataset.read_text())["images"]]
    for index in range(24, 40):
        image = Image.open(dataset.with_name(f"{index}.png"))
        pixels = torch.from_numpy(np.array(image))[None, None].float() / 255
        seen = torch.nn.functional.interpolate(pixels, (16, 16), mode="bilinear")
        right += card.output.classes[int(model(seen).argmax())] == labels[index]
    curves = json.loads((out / "learning_curves.json").read_text())
    best = curves["epochs"][curves["best_epoch"] - 1]
    assert best["validation_score"] == right / 16 == 1
    assert best["validation_loss"] == min(epoch["validation_loss"] for epoch in curves["epochs"])
    assert "<svg" in (out / "learning_curves.svg").read_text()


def test_the_same_training_in_another_process_gives_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    train = ["--dataset", str(dataset), *QUICK]
    main([*train, "--out", str(tmp_path / "a")])
    command = [sys.executable, "-m", "steps.train", *train, "--out", str(tmp_path / "b")]
    subprocess.run(command, check=True, capture_output=True)
    main([*train, "--seed", "1", "--out", str(tmp_path / "c")])
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a")["weights.safetensors"] != files(tmp_path / "c")["weights.safetensors"]


def test_what_is_trained_already_is_left_alone_and_nothing_else_is_overwritten(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = ["--dataset", str(dataset), *QUICK, "--out", str(tmp_path / "a")]
    main(train)
    before = files(tmp_path / "a")
    capsys.readouterr()
    assert main(train) == 0
    assert "nothing to do: this training is done already; model bundle:" in capsys.readouterr().out
    with pytest.raises(UsageError, match="another model bundle lies there; give another --out, or --replace"):
        main([*train, "--seed", "1"])
    assert files(tmp_path / "a") == before
    assert main([*train, "--seed", "1", "--replace"]) == 0
    assert files(tmp_path / "a")["model.yaml"] != before["model.yaml"]


def test_a_bundle_that_lost_its_card_is_trained_again_to_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    train = ["--dataset", str(dataset), *QUICK, "--out", str(tmp_path / "a")]
    main(train)
    before = files(tmp_path / "a")
    (tmp_path / "a" / "model.yaml").unlink()
    main(train)
    assert files(tmp_path / "a") == before


def test_ctrl_c_ends_with_130_and_leaves_no_bundle(dataset: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "steps.train", "--dataset", str(dataset), *NETWORK, "--epochs", "100000"]
    command += ["--patience", "100000", "--out", str(tmp_path / "a")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("epoch ")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == "interrupted\n"
    assert not (tmp_path / "a").exists()


def test_masks_are_learned_from_a_dataset_without_classes(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    entries = []
    for index in range(24):
        mask = np.zeros((20, 20), np.uint8)
        row, column = random.integers(0, 10, 2)
        mask[row : row + 10, column : column + 10] = 255
        image = (mask // 2 + random.integers(0, 80, mask.shape)).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / f"{index}.png")
        Image.fromarray(mask).save(tmp_path / f"{index}-mask.png")
        entries.append({"location": f"{index}.png", "label": f"{index}-mask.png"})
    split = {"training": list(range(16)), "validation": list(range(16, 24))}
    dataset = tmp_path / "squares.yml"
    dataset.write_text(yaml.safe_dump({"name": "squares", "images": entries, "split": split}))
    options = ["--architecture", "unet", "--parameter", "width=4", "--parameter", "depth=1", "--input-size", "20x20"]
    options += ["--channels", "1", "--epochs", "12", "--learning-rate", "0.02", "--batch", "4", "--device", "cpu"]
    main(["--dataset", str(dataset), *options, "--classes", "square", "--out", str(tmp_path / "out")])
    card, _, _ = load_model(Location.parse(str(tmp_path / "out")), torch.device("cpu"))
    assert (card.task, card.output.kind, card.output.classes) == ("segmentation", "binary", ("square",))
    curves = json.loads((tmp_path / "out" / "learning_curves.json").read_text())
    assert curves["score"] == "Dice"
    assert curves["epochs"][curves["best_epoch"] - 1]["validation_score"] > 0.9


@pytest.mark.parametrize(
    ("kind", "labels", "activation", "classes"),
    [
        ("binary", [0, 1], "sigmoid", ("left", "right")),
        ("multilabel", [[0, 1], [1], 0], "sigmoid", ("left", "right")),
        ("multiclass", [1, "right", "0"], "softmax", ("left", "right")),
    ],
)
def test_every_kind_of_label_is_learned(
    dataset: Path, tmp_path: Path, kind: str, labels: list[object], activation: str, classes: tuple[str, ...]
) -> None:
    values = yaml.safe_load(dataset.read_text())
    for index, entry in enumerate(values["images"]):
        entry["label"] = labels[index % len(labels)]
    dataset.write_text(yaml.safe_dump(values, sort_keys=False))
    main(["--dataset", str(dataset), *QUICK, "--kind", kind, "--out", str(tmp_path / "out")])
    output = load_model(Location.parse(str(tmp_path / "out")), torch.device("cpu"))[0].output
    assert (output.kind, output.activation, output.classes) == (kind, activation, classes)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (["--architecture", "unet"], UsageError, "unet is made for segmentation, the card's task is classification"),
        (["--architecture", "nonet"], UsageError, "'nonet' is not known"),
        (["--validation-split", "val"], UsageError, "has no split 'val'; it has: training, validation, test"),
        (["--training-split", "test"], UsageError, "take two splits other than 'test'"),
        (["--input-size", "8x8"], UsageError, "must be at least 16"),
        (["--channels", "2"], DataError, r"split training; .*: 24 problems"),
        (["--std", "0"], UsageError, "input.std.0"),
    ],
)
def test_what_does_not_fit_is_said_before_training(
    dataset: Path, tmp_path: Path, options: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        main(["--dataset", str(dataset), *QUICK, *options, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("option", "value"), [("--epochs", "0"), ("--learning-rate", "0"), ("--seed", "x")])
def test_malformed_options_are_usage_errors(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--dataset", "x", *QUICK, "--out", "x", option, value])
    assert f"argument {option}: " in capsys.readouterr().err
