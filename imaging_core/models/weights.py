"""Weights: reading safetensors files, and comparing tensors with what a network needs."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from imaging_core.errors import DataError, listing
from imaging_core.models.card import CARD
from imaging_core.store import Source

_EXECUTABLE = {b"PK\x03\x04": "a zip archive (PyTorch's .pt or .pt2)", b"\x80": "a pickle"}
_OF_A_PROGRAM = "/archive_format"
"""What the member is called that only archives of torch.export have."""


def read_weights(source: Source, sha256: str | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU, each in memory of its own.

    Args:
        source: the file; a remote one is spooled to disk, so that memory holds the weights once.
        sha256: the digest that the file must have.

    Raises:
        MissingError: nothing is there.
        DataError: the digest is another, or the file is not safetensors. Formats that can execute code are named, and
            not opened.
    """
    where = str(source.location)
    with source.path() as path:
        refuse_executable(path, where)
        if sha256 is not None:
            with path.open("rb") as file:
                check_digest(hashlib.file_digest(file, "sha256").hexdigest(), sha256, where)
        try:
            with safe_open(path, "pt", device="cpu") as file:
                return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a dict
        except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
            raise DataError(f"{where}: not a safetensors file: {error}") from error


def read_trusted(source: Source) -> dict[str, Any]:
    """What a file of weights holds, on the CPU; PyTorch's own formats are opened too, for whoever trusts it.

    Of a pickle (.pt) only tensors and plain values are unpickled. A program of torch.export (.pt2) is opened by
    PyTorch, which may unpickle anything; only its weights are taken, and the network is that of the allow-list.

    Raises:
        MissingError: nothing is there.
        DataError: the file is of none of these formats, or holds no map.
    """
    where = str(source.location)
    with source.path() as path:
        if not _is_executable(path):
            return read_weights(source)
        if _is_program(path):
            return _weights_of_program(path, where)
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # damaged data makes the unpickler raise whatever it likes
            raise DataError(
                f"{where}: PyTorch cannot read it as weights alone; save the state_dict alone, with "
                f"torch.save(model.state_dict(), …) or safetensors: {(str(error) or repr(error)).splitlines()[0]}"
            ) from error
    if not isinstance(state, dict):
        raise DataError(f"{where}: holds {type(state).__name__}, not a state_dict (a map of names to tensors)")
    return state


def refuse_executable(path: Path, where: str) -> None:
    """DataError when a file is of a format that can execute code; ``where`` names it."""
    if name := _is_executable(path):
        raise DataError(
            f"{where}: this is {name}, not safetensors. Such files can execute code, so they are not opened; "
            "turn a state_dict that you trust into a bundle with python -m steps.bundle pack --trust-model"
        )


def size_in_bytes(model: nn.Module) -> int:
    """How long the weights of a network are."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


def mismatches(model: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """What is wrong with ``tensors`` as the state_dict of ``model``, a line for each tensor, with the fix."""
    expected = model.state_dict()
    problems = []
    for name, wanted in expected.items():
        found = tensors.get(name)
        if found is None:
            problems.append(f"{name}: missing; {_kind(wanted)} belongs there")
        elif found.shape != wanted.shape:
            problems.append(f"{name}: is {_kind(found)}, must be {_kind(wanted)}; mend the card or the weights")
        elif found.dtype != wanted.dtype:
            problems.append(f"{name}: is {_kind(found)}, must be {_kind(wanted)}; pack the bundle anew")
        elif not _is_finite(found):
            problems.append(f"{name}: holds values that are not finite (NaN or infinite); train anew")
    problems += [
        f"{name}: {_kind(found)} that the architecture does not have; leave it out"
        for name, found in tensors.items()
        if name not in expected
    ]
    return problems


def matched(model: nn.Module, state: Mapping[str, Any], where: str) -> dict[str, Tensor]:
    """A state_dict as ``model`` wants it, on the CPU.

    Floating-point tensors become float32. Batch normalisation's counter ``num_batches_tracked``, which inference does
    not use and old files lack, is set to 0 where it is absent.

    Raises:
        DataError: tensors are missing, surplus, of another shape or type, or not finite; ``where`` names the file.
    """
    strangers = [
        f"{name}: {type(each).__name__}, not a tensor" for name, each in state.items() if not isinstance(each, Tensor)
    ]
    if strangers:
        raise DataError(listing(f"{where}: not a state_dict (a map of names to tensors); save that alone", strangers))
    tensors = {}
    for name, tensor in state.items():
        tensors[name] = tensor.detach().to("cpu", torch.float32 if tensor.is_floating_point() else tensor.dtype)
    for name, wanted in model.state_dict().items():
        if name.endswith(".num_batches_tracked") and name not in tensors:
            tensors[name] = torch.zeros((), dtype=wanted.dtype)
    problems = mismatches(model, tensors)
    if problems:
        raise DataError(listing(f"{where}: not the weights of this architecture", problems))
    return tensors


def _is_executable(path: Path) -> str | None:
    """The name of the file's format when that can execute code."""
    with path.open("rb") as file:
        head = file.read(9)
    if head[8:9] == b"{":  # safetensors: eight bytes of length, then JSON
        return None
    return next((name for magic, name in _EXECUTABLE.items() if head.startswith(magic)), None)


def _is_program(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(_OF_A_PROGRAM) for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _weights_of_program(path: Path, where: str) -> dict[str, Any]:
    try:
        return dict(torch.export.load(path).state_dict)
    except Exception as error:  # as of the unpickler
        said = (str(error) or repr(error)).splitlines()[0]
        raise DataError(
            f"{where}: PyTorch cannot read it as a program of torch.export; save the state_dict alone, or export the "
            f"network to ONNX: {said}"
        ) from error


def check_digest(found: str, sha256: str, where: str) -> None:
    """DataError when a file, which ``where`` names, has another SHA-256 than the card says."""
    if found != sha256:
        raise DataError(
            f"{where}: its SHA-256 is {found}, but {CARD} says {sha256}: "
            "the file is damaged or belongs to another bundle; copy the bundle again, or pack it anew"
        )


def _is_finite(tensor: Tensor) -> bool:
    """Whether no value is NaN or infinite; makes no copy."""
    return all(bool(torch.isfinite(extreme)) for extreme in torch.aminmax(tensor))


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}[{', '.join(map(str, tensor.shape))}]"
