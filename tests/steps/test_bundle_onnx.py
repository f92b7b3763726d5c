"""``python -m steps.bundle`` with ONNX files and other formats of networks, as a person or a script types it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from imaging_core.errors import DataError, UsageError
from imaging_core.models import registry
from imaging_core.models.bundle import load_model
from imaging_core.models.card import read_card
from imaging_core.store import Location
from steps.bundle import main
from tests.onnx_files import classifier, save, segmenter

SEEN = ["--input-size", "32x32", "--channels", "3", "--batch", "4"]
LESION = ["--architecture", "onnx", *SEEN, "--kind", "binary", "--classes", "lesion"]
ANIMALS = ["--architecture", "onnx", *SEEN, "--kind", "multiclass", "--classes", "cat,dog,cow"]
LENET = ["--architecture", "lenet5", *SEEN, "--kind", "multiclass", "--classes", "cat,dog,cow"]
Said = Callable[[], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return lambda: capsys.readouterr().out


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """``segmenter.onnx`` and ``classifier.onnx``, as EDDL exports them."""
    save(segmenter().file((1, 32, 32)), tmp_path / "segmenter.onnx")
    save(classifier().file((3,)), tmp_path / "classifier.onnx")
    return tmp_path


def test_a_file_becomes_a_bundle_that_is_told_about(files: Path, said: Said) -> None:
    file, out = files / "segmenter.onnx", files / "bundle"
    options = ["--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5", "--name", "EDDL's"]
    assert main(["pack", *LESION, *options, "--weights", str(file), "--out", str(out)]) == 0
    assert "segmenter.onnx ends in sigmoid itself: the card's activation is none" in said()
    card = read_card((out / "model.yaml").read_bytes(), "card")
    assert (card.task, card.output.activation) == ("segmentation", "none")
    assert card.architecture.model_dump() == {"name": "onnx", "parameters": {}}
    assert card.weights.file == "model.onnx"
    assert (out / "model.onnx").read_bytes() == file.read_bytes()
    assert sorted(path.name for path in out.iterdir()) == ["model.onnx", "model.yaml"]

    assert main(["inspect", str(out)]) == 0
    shown = said()
    for expected in [
        "EDDL's",
        "opset 11, written by EDDL 1.0, ",
        "input1: float32 batch x 3 x 32 x 32",
        "sigmoid1: float32 batch x 1 x 32 x 32",
        "Conv                    4",
    ]:
        assert expected in shown

    assert main(["inspect", str(out), "--json"]) == 0
    described = json.loads(said())
    assert described["sha256"] in shown
    assert described["onnx"]["opset"] == 11
    assert described["onnx"]["operators"]["Resize"] == 1
    assert described["onnx"]["inputs"] == [
        {"name": "input1", "type": "float32", "shape": ["batch", 3, 32, 32]},
    ]


def test_the_task_is_what_the_output_tells(files: Path, said: Said) -> None:
    main(["pack", *ANIMALS, "--weights", str(files / "classifier.onnx"), "--out", str(files / "bundle")])
    assert read_card((files / "bundle" / "model.yaml").read_bytes(), "card").task == "classification"


def test_a_file_without_an_activation_gets_the_usual_one(tmp_path: Path, said: Said) -> None:
    net = classifier()
    net.nodes.pop()
    net._layers.pop()
    save(net.file((3,)), tmp_path / "x.onnx")
    main(["pack", *ANIMALS, "--weights", str(tmp_path / "x.onnx"), "--out", str(tmp_path / "bundle")])
    assert "ends in" not in said()
    assert read_card((tmp_path / "bundle" / "model.yaml").read_bytes(), "card").output.activation == "softmax"


@pytest.mark.parametrize(
    ("file", "options", "error", "message"),
    [
        ("classifier.onnx", [*ANIMALS, "--activation", "softmax"], DataError, "it ends in Softmax itself"),
        ("segmenter.onnx", ANIMALS, DataError, "float32 4 x 1 x 32 x 32, a segmentation of this card gives 4 x 3 x"),
        ("segmenter.onnx", [*LESION, "--input-size", "64x64"], DataError, "mend --channels and --input-size"),
        ("segmenter.onnx", [*LESION, "--precision", "fp16"], DataError, "take fp32 or tf32"),
        ("segmenter.onnx", [*LESION, "--parameter", "output=relu9"], DataError, "has no output 'relu9'"),
        ("nowhere.onnx", LESION, UsageError, r"--weights .*nowhere\.onnx: nothing is there"),
        ("segmenter.onnx", [*LESION, "--threshold", "2"], UsageError, "output.threshold"),
        ("segmenter.onnx", LENET, UsageError, "an ONNX file is packed with --architecture onnx"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_written(
    files: Path, file: str, options: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        main(["pack", *options, "--weights", str(files / file), "--out", str(files / "out")])
    assert not (files / "out").exists()


def test_an_onnx_file_has_its_own_weights(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--random-seed: an ONNX file has its weights in it; give it by --weights"):
        main(["pack", *LESION, "--random-seed", "0", "--out", str(tmp_path / "out")])


def test_a_damaged_file_in_a_bundle_ends_with_65_and_one_line(files: Path) -> None:
    bundle = files / "bundle"
    main(["pack", *LESION, "--weights", str(files / "segmenter.onnx"), "--out", str(bundle)])
    data = (bundle / "model.onnx").read_bytes()
    (bundle / "model.onnx").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    command = [sys.executable, "-m", "steps.bundle", "inspect", str(bundle)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (65, "")
    assert "its SHA-256 is" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"not ONNX", b"\x80\x02pickle", b"PK\x03\x04"])
def test_another_format_under_that_name_ends_with_65(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(DataError, match="not an ONNX"):
        main(["pack", *LESION, "--weights", str(tmp_path / "x.onnx"), "--out", str(tmp_path / "out")])


def test_an_export_gives_what_the_bundle_gives(tmp_path: Path, said: Said) -> None:
    bundle, file = tmp_path / "bundle", tmp_path / "new" / "lenet.onnx"
    main(["pack", *LENET, "--random-seed", "3", "--out", str(bundle)])
    said()
    assert main(["export", "--model", str(bundle), "--out", str(file), "--opset", "13"]) == 0
    shown = said()
    assert "onnxruntime and PyTorch differ by at most " in shown
    assert "its input is images, its output scores, before the activation (softmax)" in shown
    assert onnx.load(file).opset_import[0].version == 13
    images = np.random.default_rng(0).random((5, 3, 32, 32), np.float32)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (scores,) = session.run(["scores"], {"images": images})
    _, _, model = load_model(Location.parse(str(bundle)), torch.device("cpu"))
    np.testing.assert_allclose(scores, model(torch.from_numpy(images)).numpy(), atol=1e-4)

    again = tmp_path / "again"
    main(["pack", *ANIMALS, "--weights", str(file), "--out", str(again)])
    assert read_card((again / "model.yaml").read_bytes(), "card").output.activation == "softmax"
    with pytest.raises(UsageError, match=r"model\.onnx of this bundle is the ONNX file; copy it"):
        main(["export", "--model", str(again), "--out", str(tmp_path / "no.onnx")])


def test_an_export_that_fails_writes_nothing(tmp_path: Path) -> None:
    main(["pack", *LENET, "--random-seed", "3", "--out", str(tmp_path / "bundle")])
    with pytest.raises(UsageError, match="--opset 42: 9 to 20 are written"):
        main(["export", "--model", str(tmp_path / "bundle"), "--out", str(tmp_path / "x.onnx"), "--opset", "42"])
    with pytest.raises(DataError, match="no model bundle here"):
        main(["export", "--model", str(tmp_path), "--out", str(tmp_path / "x.onnx")])
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_program_of_torch_export_gives_its_weights_only_when_it_is_trusted(tmp_path: Path, said: Said) -> None:
    main(["pack", *LENET, "--random-seed", "3", "--out", str(tmp_path / "a")])
    _, _, model = load_model(Location.parse(str(tmp_path / "a")), torch.device("cpu"))
    program = torch.export.export(model, (torch.zeros(4, 3, 32, 32),))
    torch.export.save(program, tmp_path / "lenet.pt2")
    pack = ["pack", *LENET, "--weights", str(tmp_path / "lenet.pt2"), "--out", str(tmp_path / "b")]
    with pytest.raises(
        DataError, match=r"this is a zip archive .* can execute code, so they are not opened; .*--trust"
    ):
        main(pack)
    assert not (tmp_path / "b").exists()
    assert main([*pack, "--trust-model"]) == 0
    for name in ("model.yaml", "weights.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_program_of_another_network_names_the_tensors(tmp_path: Path) -> None:
    program = torch.export.export(torch.nn.Linear(2, 3), (torch.zeros(4, 2),))
    torch.export.save(program, tmp_path / "x.pt2")
    pack = ["pack", *LENET, "--weights", str(tmp_path / "x.pt2"), "--out", str(tmp_path / "b"), "--trust-model"]
    with pytest.raises(DataError, match="not the weights of this architecture"):
        main(pack)
    (tmp_path / "x.pt2").write_bytes((tmp_path / "x.pt2").read_bytes().replace(b"input_specs", b"input_Specs"))
    with pytest.raises(DataError, match=r"x\.pt2: PyTorch cannot read it as "):
        main(pack)


def test_an_onnx_model_is_packed_and_neither_trained_nor_drawn() -> None:
    with pytest.raises(DataError, match="onnx is packed of a file, which has its weights in it"):
        registry.find("onnx", "options")


def test_other_bundles_do_without_onnx(tmp_path: Path) -> None:
    main(["pack", *LENET, "--random-seed", "3", "--out", str(tmp_path)])
    code = (
        "import sys, torch, imaging_core.inference.execute; from imaging_core.models.bundle import load_model; "
        "from imaging_core.store import Location; load_model(Location.parse(sys.argv[1]), torch.device('cpu')); "
        "print(sorted({'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
