"""The compute class: on one of them the same input, model and code give the same results, bit for bit."""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from imaging_core.inference.device import Device
from imaging_core.models.card import ONNX, Card

LIBRARIES = ("imagecodecs", "numpy", "pillow", "tifffile", "torch")


def compute_class(device: Device, threads: int, card: Card) -> dict[str, Any]:
    """The compute class of this process, as provenance records it.

    ``image`` is the digest of the container image, from $IMAGE_DIGEST, or ``none``. Of an ONNX bundle it says what runs
    it, too.
    """
    libraries = {name: version(name) for name in LIBRARIES}
    if card.architecture.name == ONNX:
        libraries |= _onnxruntime(device)
    return {
        "device": device.torch.type,
        **(_gpu(device.torch) if device.torch.type == "cuda" else _cpu()),
        "threads": threads,
        "precision": device.precision,
        "image": os.environ.get("IMAGE_DIGEST") or "none",
        "libraries": libraries,
    }


def _onnxruntime(device: Device) -> dict[str, str]:
    import onnxruntime  # other bundles do without

    from imaging_core.models.onnx.session import CPU, CUDA

    return {"onnxruntime": f"{onnxruntime.__version__} {CUDA if device.torch.type == 'cuda' else CPU}"}


def _cpu() -> dict[str, str]:
    return {"vendor": _line("/proc/cpuinfo", "vendor_id"), "instruction_set": torch.backends.cpu.get_cpu_capability()}


def _gpu(device: torch.device) -> dict[str, str]:
    properties = torch.cuda.get_device_properties(device)
    return {
        "model": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "driver": _line("/proc/driver/nvidia/version", "NVRM version"),
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
    }


def _line(file: str, name: str) -> str:
    """The value of the first ``name: value`` line; ``unknown`` where there is none."""
    try:
        with Path(file).open() as lines:
            return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")
    except OSError:
        return "unknown"
