"""A bundle comes back as it was packed; every bad one is refused with one clear error."""

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from imaging_core.errors import ConfigurationError, DataError, UsageError
from imaging_core.models.bundle import load_model, pack
from imaging_core.models.card import CARD, Card, read_card, write_card
from imaging_core.models.weights import matched
from imaging_core.store import Location

CPU = torch.device("cpu")
WEIGHTS = "weights.safetensors"
Packed = tuple[Location, Path]


@pytest.fixture
def packed(tmp_path: Path, make_model: Callable[..., Any]) -> Packed:
    """A LeNet-5 with batch of 2 and two classes."""
    card, model = make_model("lenet5", 16)
    location = Location.parse(str(tmp_path / "bundle"))
    pack(location, card, model.state_dict())
    return location, tmp_path / "bundle"


@pytest.mark.parametrize("name", ["lenet5", "unet", "segnet", "resnet18"])
def test_a_network_comes_back_as_it_was_packed(tmp_path: Path, make_model: Callable[..., Any], name: str) -> None:
    draft, model = make_model(name, 32, channels=3)
    bundle = Location.parse(str(tmp_path))
    written, digest = pack(bundle, draft, model.state_dict())
    card, read_digest, loaded = load_model(bundle, CPU)
    assert (card, read_digest) == (written, digest)
    assert card.model_dump(exclude={"weights", "architecture"}) == draft.model_dump(exclude={"weights", "architecture"})
    assert digest == hashlib.sha256((tmp_path / CARD).read_bytes()).hexdigest()
    assert card.weights.sha256 == hashlib.sha256((tmp_path / WEIGHTS).read_bytes()).hexdigest()
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(loaded(images), model(images))


def test_a_card_spells_out_what_later_defaults_could_change(packed: Packed) -> None:
    assert load_model(packed[0], CPU)[0].architecture.parameters == {"width": 1, "dropout": 0.0}


def test_the_same_weights_give_the_same_bytes_in_any_order(tmp_path: Path, make_model: Callable[..., Any]) -> None:
    card, model = make_model("lenet5", 16)
    state = model.state_dict()
    column_major = {name: t.t().contiguous().t() if t.dim() == 2 else t for name, t in reversed(state.items())}
    pack(Location.parse(str(tmp_path / "a")), card, state)
    pack(Location.parse(str(tmp_path / "b")), card, column_major)
    for name in (CARD, WEIGHTS):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_packing_again_is_harmless_and_another_bundle_is_not_overwritten(
    packed: Packed, make_model: Callable[..., Any]
) -> None:
    location, folder = packed
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    card, model = make_model("lenet5", 16)
    pack(location, card, model.state_dict())
    other = {name: tensor + 1 for name, tensor in model.state_dict().items()}
    with pytest.raises(UsageError, match=r"another model bundle lies there; give another --out, or --replace"):
        pack(location, card, other)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    pack(location, card, other, replace=True)
    assert torch.equal(load_model(location, CPU)[2].state_dict()["features.0.bias"], other["features.0.bias"])


def test_a_replacement_that_breaks_off_leaves_no_bundle(packed: Packed, make_model: Callable[..., Any]) -> None:
    location, folder = packed
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).mkdir()  # in the way of the new weights
    card, model = make_model("lenet5", 16, classes=3)
    with pytest.raises(ConfigurationError, match=rf"{WEIGHTS}: cannot be written: Is a directory"):
        pack(location, card, model.state_dict(), replace=True)
    assert [path.name for path in folder.iterdir()] == [WEIGHTS]
    with pytest.raises(DataError, match="no model bundle here"):
        load_model(location, CPU)


def repack(folder: Path, data: bytes, name: str = WEIGHTS) -> None:
    """Put other weights beside the card, and their digest into it."""
    card = read_card((folder / CARD).read_bytes(), CARD)
    (folder / name).write_bytes(data)
    digest = {"file": name, "sha256": hashlib.sha256(data).hexdigest()}
    (folder / CARD).write_bytes(write_card(Card.model_validate(card.model_dump() | {"weights": digest})))


def state_of(folder: Path) -> dict[str, Tensor]:
    return load_model(Location.parse(str(folder)), CPU)[2].state_dict()


def refusal(location: Location) -> str:
    with pytest.raises(DataError) as caught:
        load_model(location, CPU)
    return str(caught.value)


def test_a_folder_without_a_card_is_no_bundle(tmp_path: Path) -> None:
    assert "no model bundle here (model.yaml is missing)" in refusal(Location.parse(str(tmp_path)))
    assert "no model bundle here" in refusal(Location.parse(str(tmp_path / "nowhere")))


def test_missing_weights_are_named(packed: Packed) -> None:
    (packed[1] / WEIGHTS).unlink()
    message = refusal(packed[0])
    assert WEIGHTS in message
    assert "missing" in message


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-1] + bytes([d[-1] ^ 1]), lambda d: d[:-4], lambda d: d[:0], lambda d: d + d]
)
def test_damaged_weights_are_told_by_their_digest(packed: Packed, damage: Callable[[bytes], bytes]) -> None:
    path = packed[1] / WEIGHTS
    path.write_bytes(damage(path.read_bytes()))
    message = refusal(packed[0])
    assert "its SHA-256 is" in message
    assert "copy the bundle again" in message


def header(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not weights at all",
        header(b"{"),
        header(b"[]"),
        header(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'),
        header(b'{"a":{"dtype":"F99","shape":[0],"data_offsets":[0,0]}}'),
        struct.pack("<Q", 2**63) + b"{}",
    ],
)
def test_what_is_not_safetensors_is_refused(packed: Packed, data: bytes) -> None:
    repack(packed[1], data)
    assert "not a safetensors file" in refusal(packed[0])


@pytest.mark.parametrize(("zipped", "name"), [(True, "a zip archive"), (False, "a pickle")])
@pytest.mark.parametrize("file", [WEIGHTS, "weights.pt"])
def test_formats_that_can_execute_code_are_not_opened(packed: Packed, zipped: bool, name: str, file: str) -> None:
    evil = packed[1] / "evil"
    torch.save(Evil(packed[1] / "executed"), evil, _use_new_zipfile_serialization=zipped)
    repack(packed[1], evil.read_bytes(), file)
    message = refusal(packed[0])
    assert f"this is {name}" in message
    assert "can execute code" in message
    assert not (packed[1] / "executed").exists()


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


def test_safetensors_whose_length_looks_like_a_pickle_are_read(packed: Packed) -> None:
    state = state_of(packed[1])
    for length in range(256):  # some length of the metadata makes the first byte 0x80, as a pickle has it
        data = save(state, metadata={"note": "x" * length})
        if data[0] == 0x80:
            break
    assert data[0] == 0x80
    repack(packed[1], data)
    load_model(packed[0], CPU)


def test_every_wrong_tensor_is_named_in_one_error(packed: Packed) -> None:
    state = state_of(packed[1])
    del state["features.0.bias"]
    state["stranger"] = torch.zeros(2, 3)
    state["features.3.weight"] = torch.zeros(16, 6, 3, 3)
    state["classifier.1.bias"] = state["classifier.1.bias"].half()
    state["classifier.4.bias"] = state["classifier.4.bias"].clone()
    state["classifier.4.bias"][3] = float("nan")
    state["classifier.6.bias"] = torch.tensor([0.0, float("-inf")])
    repack(packed[1], save(state))
    message = refusal(packed[0])
    assert "not the weights of lenet5 as model.yaml has it: 6 problems" in message
    for line in [
        "features.0.bias: missing; float32[6] belongs there",
        "stranger: float32[2, 3] that the architecture does not have; leave it out",
        "features.3.weight: is float32[16, 6, 3, 3], must be float32[16, 6, 5, 5]; mend the card or the weights",
        "classifier.1.bias: is float16[120], must be float32[120]; pack the bundle anew",
        "classifier.4.bias: holds values that are not finite",
        "classifier.6.bias: holds values that are not finite",
    ]:
        assert line in message


def test_a_file_far_too_long_is_not_read(packed: Packed) -> None:
    with (packed[1] / WEIGHTS).open("ab") as file:
        file.truncate(10 * 1024**3)  # sparse
    assert "10737418240 bytes, but lenet5 as model.yaml has it needs" in refusal(packed[0])


def test_a_card_for_other_weights_names_the_tensors(packed: Packed) -> None:
    path = packed[1] / CARD
    path.write_text(path.read_text().replace("- class 0", "- class 0\n  - class 2"))
    assert "classifier.6.weight: is float32[2, 84], must be float32[3, 84]" in refusal(packed[0])


def test_a_state_dict_in_half_precision_without_counters_is_made_to_fit(make_model: Callable[..., Any]) -> None:
    _, model = make_model("resnet18")
    state = {name: t.half() for name, t in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    made = matched(model, state, "state.pt")
    assert {name: t.dtype for name, t in made.items()} == {name: t.dtype for name, t in model.state_dict().items()}
    assert torch.equal(made["fc.weight"], state["fc.weight"].float())


def test_a_checkpoint_that_is_no_state_dict_says_what_it_holds(make_model: Callable[..., Any]) -> None:
    _, model = make_model("lenet5")
    with pytest.raises(DataError, match=r"(?s)not a state_dict.*2 problems.*epoch: int.*state_dict: dict"):
        matched(model, {"epoch": 3, "state_dict": {}}, "checkpoint.pt")
