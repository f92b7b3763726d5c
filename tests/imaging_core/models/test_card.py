"""The model card: what is written comes back; what is wrong is named with its entry."""

import math
import re
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging_core.errors import DataError
from imaging_core.models.card import CARD, Card, card_digest, make_card, read_bundle_card, read_card, write_card
from imaging_core.store import Location

VALUES: dict[str, Any] = {
    "name": "Läsionen",
    "task": "segmentation",
    "architecture": {"name": "unet", "parameters": {"width": 16, "batch_norm": True}},
    "input": {"height": 192, "width": 256, "channels": 3, "mean": [0.5, 0.4, 0.3], "std": [1, 2, 3]},
    "batch": 4,
    "output": {"kind": "binary", "activation": "sigmoid", "classes": ["lesion"]},
    "weights": {"sha256": "a" * 64},
}


def test_a_card_comes_back_as_written() -> None:
    card = make_card(VALUES, "card")
    assert read_card(write_card(card), "card") == card
    assert write_card(read_card(write_card(card), "card")) == write_card(card)


def test_names_that_yaml_reads_as_something_else_come_back_as_names() -> None:
    classes = ["0", "no", "1e3", "null", "2026-11-24", " x", "a: b", "#"]
    values = VALUES | {"output": {"kind": "multiclass", "activation": "softmax", "classes": classes}}
    assert list(read_card(write_card(make_card(values, "card")), "card").output.classes) == classes


def test_a_bundles_digest_is_that_of_its_card(tmp_path: Path) -> None:
    data = write_card(make_card(VALUES, "card"))
    (tmp_path / CARD).write_bytes(data)
    assert read_bundle_card(Location.parse(str(tmp_path))) == (make_card(VALUES, "card"), card_digest(data))


def test_a_card_far_too_long_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / CARD).open("wb") as file:
        file.truncate(10 * 1024**3)
    with pytest.raises(DataError, match=r"model\.yaml: 10737418240 bytes, more than"):
        read_bundle_card(Location.parse(str(tmp_path)))


def changed(path: str, value: Any) -> dict[str, Any]:
    values = deepcopy(VALUES)
    place = values
    *parents, last = path.split(".")
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return values


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("batch", None, "batch: is missing"),
        ("input.height", None, "input.height: is missing"),
        ("batsch", 4, "batsch: no such entry; known here: format, name, description, task, architecture"),
        ("input.size", 4, "input.size: no such entry; known here: height, width, channels, scaling"),
        ("format", 2, "format: .*1"),
        ("task", "detection", "task: .*'classification' or 'segmentation'"),
        ("batch", 0, "batch: .*greater than or equal to 1"),
        ("input.channels", "three", "input.channels: .*integer"),
        ("input.scaling", 0, "input.scaling"),
        ("input.mean", [1, 2], "input: mean has 2 values for 3 channels; give one per channel"),
        ("input.mean", [1, 2, math.nan], "input.mean.2: .*finite"),
        ("input.std", [1, 2, 0], "input.std.2: .*greater than 0"),
        ("input.std", [1, 2, math.inf], "input.std.2: .*finite"),
        ("input.antialias", "perhaps", "input.antialias"),
        ("input.clip", [400, -1000], "input: clip ascends; 400 is not less than -1000"),
        ("input.clip", [0, math.inf], "input.clip.1: .*finite"),
        ("input.dicom", "hounsfield", "input.dicom: .*'window' or 'rescaled'"),
        ("input.mpp", 0, "input.mpp.*"),
        ("input.mpp", "some", "input.mpp.*'none'"),
        ("input.level", 1, "input: level is for slides without micrometres per pixel; give mpp: none"),
        ("input.tissue", "yes", "input.tissue: .*'otsu' or 'off'"),
        ("output.slide", 0, "output.slide.*"),
        ("output.threshold", math.nan, "output.threshold"),
        ("output.classes", [], "output: a binary output has one or two class names, not 0"),
        ("output.classes", [True], "output.classes.0: .*string; put it in quotes"),
        ("output.classes", ["a", "a"], "output: two classes have the same name"),
        ("output.activation", "softmax", "output: softmax gives exactly one class, .*use sigmoid"),
        ("weights.file", "../../etc/passwd", "weights.file"),
        ("weights.sha256", "A" * 64, "weights.sha256"),
        ("architecture.parameters", {"a": [1]}, "architecture.parameters.a"),
    ],
)
def test_what_is_wrong_is_named_with_its_entry(path: str, value: Any, message: str) -> None:
    with pytest.raises(DataError, match=r"^card: \d+ problem") as caught:
        make_card(changed(path, value), "card")
    assert any(re.match(rf"  {message}", line) for line in str(caught.value).splitlines())


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"normalization": "zscore"}, "normalization takes the place of mean and std; leave one of them out"),
        ({"normalization": "zscore", "scaling": 255, "mean": None, "std": None}, "takes the place of scaling"),
        ({"nonzero": True}, "nonzero is for normalization zscore"),
        ({"percentiles": [99, 1]}, "percentiles ascend"),
        ({"percentiles": [0, 101]}, "percentiles.1"),
        ({"nan": "mean"}, "input.nan"),
    ],
)
def test_normalization_is_instead_of_fixed_values(entries: dict[str, Any], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        make_card(changed("input", VALUES["input"] | entries), "card")


def test_slides_have_colours_two_axes_and_masks_of_one_class_a_pixel() -> None:
    slides = VALUES["input"] | {"mpp": 0.5}
    assert make_card(changed("input", slides), "card").input.view.tiles is not None
    for path, value, message in [
        ("input", slides | {"depth": 8}, "leave one out"),
        ("input", slides | {"normalization": "percentiles", "mean": None, "std": None}, "a slide's tiles do not have"),
        ("input", slides | {"channels": 4, "mean": None, "std": None}, "slides have colours"),
    ]:
        with pytest.raises(DataError, match=message):
            make_card(changed(path, value), "card")
    several = {"kind": "multilabel", "activation": "sigmoid", "classes": ["a", "b"]}
    with pytest.raises(DataError, match="masks of slides hold one class a pixel"):
        make_card(changed("input", slides) | {"output": several}, "card")


def test_antialias_needs_an_interpolation_that_has_it() -> None:
    with pytest.raises(DataError, match="antialias works with bilinear and bicubic, not with nearest"):
        make_card(changed("input", VALUES["input"] | {"resize": "nearest", "antialias": True}), "card")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"- a\n- b\n",
        b"\xff\xfe\x00\x01",
        b"? [a]\n: 1\n",
        b"when: 2026-99-99\n",
        b"x: !!int zz\n",
        b"x: !!python/object/apply:os.system [touch executed]\n",
        b"<<: {name: x}\n",
        b"1: 2\n",
        b"[" * 20_000,
        b"a: &a [x]\nb: *c\n",
        b"name: a\nname: b\n",
        b"input: {height: 1, height: 2}\n",
        b"a: &a [1]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (c + 1, c + 1, c, c) for c in range(97, 120)),
    ],
)
def test_malformed_yaml_is_one_clear_error(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"^model\.yaml: ") as caught:
        read_card(data, "model.yaml")
    assert len(str(caught.value)) < 5000
    assert not (tmp_path / "executed").exists()


GOOD = yaml.safe_dump(VALUES).encode()


@settings(max_examples=300)
@given(st.integers(0, len(GOOD)), st.integers(0, 30), st.binary(max_size=20))
def test_a_mangled_card_is_read_or_refused_and_nothing_else(start: int, length: int, instead: bytes) -> None:
    data = GOOD[:start] + instead + GOOD[start + length :]
    with suppress(DataError):
        assert isinstance(read_card(data, "card"), Card)
