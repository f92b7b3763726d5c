"""The device that the network runs on: fixed algorithms, and copies that overlap with its work.

The same calls serve a CPU, where staging, uploading and downloading cost nothing. On a GPU pixels are staged in pinned
memory, go up and come down on streams of their own, and the host waits only in :meth:`Download.wait`.
"""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, ContextDecorator, nullcontext, suppress
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imaging_core.decode.case import Pixels
from imaging_core.errors import ConfigurationError, TemporaryError

DeviceName = Literal["auto", "cpu", "cuda"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]

_MEMORY_IS_FULL = (
    "can't allocate memory", "out of memory", "ALLOC_FAILED", "could not create a primitive",
    "could not execute a primitive", "could not create a memory object",
)  # fmt: skip
"""As PyTorch, cuBLAS and oneDNN say it."""

_GPU_FAILED = ("CUDA error", "CUDA driver error", "cuDNN error", "CUDNN_STATUS", "CUBLAS_STATUS")
_OTHER_GPU = "no kernel image is available"
_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(wanted: DeviceName) -> torch.device:
    """The device asked for; ``auto`` is a GPU when there is one; ConfigurationError when it is not there."""
    if wanted == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if wanted == "cuda":
        raise ConfigurationError("--device cuda: PyTorch sees no GPU; check the driver and CUDA_VISIBLE_DEVICES")
    return torch.device("cpu")


def fix_algorithms(threads: int, precision: Precision) -> None:
    """Make what PyTorch computes a function of its input, the machine, ``threads`` and ``precision`` alone.

    For the whole process: the number of threads, no autotuning, deterministic algorithms, TF32 only when asked for. To
    be called before anything is computed: MKL looks once at its variable. Without it a product's last bit depends on
    the row (oneMKL Developer Guide, "Conditional Numerical Reproducibility"), and so a case's scores on its neighbours.
    """
    os.environ["MKL_CBWR"] = "AUTO,STRICT"
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    torch.set_num_threads(threads)
    with suppress(RuntimeError):  # may be set once in a process; no result depends on it
        torch.set_num_interop_threads(threads)
    # as use_deterministic_algorithms, which would import PyTorch's compiler: three seconds of a step's start
    torch.set_deterministic_debug_mode("warn" if torch.cuda.is_available() else "error")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"


def effective_precision(device: torch.device, wanted: Precision) -> Precision:
    """A CPU computes in fp32, whatever the card allows."""
    return wanted if device.type == "cuda" else "fp32"


class device_errors(ContextDecorator):  # noqa: N801 - reads as a statement
    """Turns what PyTorch says when memory runs out into MemoryError, and a failing GPU into a TemporaryError.

    A process whose GPU failed cannot use it any more; the next one can.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, torch.OutOfMemoryError):
            raise MemoryError("the GPU's memory is full") from error
        if not isinstance(error, RuntimeError):  # torch.AcceleratorError is one
            return
        said = str(error)
        if any(words in said for words in _MEMORY_IS_FULL):
            raise MemoryError("the memory is full") from error
        if _OTHER_GPU in said:
            raise ConfigurationError("this PyTorch is not made for this GPU; take another image or GPU") from error
        if any(words in said for words in _GPU_FAILED):
            raise TemporaryError(f"the GPU failed ({said.partition(chr(10))[0]}); run the same again") from error


class Download:
    """A result on its way to the host.

    Args:
        tensor: where it will be, and what :meth:`wait` gives.
        event: after it has arrived; None when it has.
    """

    def __init__(self, tensor: Tensor, event: torch.cuda.Event | None = None) -> None:
        self.tensor, self._event = tensor, event
        self._values: NDArray[Any] | None = None

    def wait(self) -> NDArray[Any]:
        """The values, once they have arrived. May be called from any thread."""
        if self._values is None:
            if self._event is not None:
                self._event.synchronize()
            self._values = self.tensor.numpy()
        return self._values


class Device:
    """Moves pixels to the device and results back."""

    def __init__(self, device: torch.device, precision: Precision) -> None:
        self.torch = device
        self.precision = effective_precision(device, precision)
        self._gpu = device.type == "cuda"
        if self._gpu:
            self._up = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            self._down = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    @property
    def name(self) -> str:
        """The GPU's model, or ``cpu``."""
        return torch.cuda.get_device_name(self.torch) if self._gpu else "cpu"

    def stage(self, pixels: Sequence[Pixels]) -> Tensor:
        """Images of one shape and type, side by side where the device can fetch them from. For any thread.

        Args:
            pixels: n times height x width x channels.

        Returns:
            n x height x width x channels.
        """
        if not self._gpu:
            if len(pixels) == 1:
                return torch.from_numpy(np.require(pixels[0], requirements=["C", "W"])[None])
            return torch.from_numpy(np.concatenate(pixels).reshape(len(pixels), *pixels[0].shape))
        first = torch.from_numpy(np.require(pixels[0], requirements=["C", "W"]))
        pinned = torch.empty((len(pixels), *first.shape), dtype=first.dtype, pin_memory=True)
        np.stack(pixels, out=pinned.numpy())
        return pinned

    def upload(self, staged: Tensor) -> Tensor:
        """Start copying to the device; what is computed next waits for it there, not here."""
        if not self._gpu:
            return staged
        with torch.cuda.stream(self._up):
            uploaded = staged.to(self.torch, non_blocking=True)
        computing = torch.cuda.current_stream(self.torch)
        computing.wait_stream(self._up)
        uploaded.record_stream(computing)
        return uploaded

    def download(self, result: Tensor) -> Download:
        """Start copying a result to the host, after what has been computed so far."""
        if not self._gpu:
            return Download(result)
        self._down.wait_stream(torch.cuda.current_stream(self.torch))
        with torch.cuda.stream(self._down):
            pinned = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
            pinned.copy_(result, non_blocking=True)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(self._down)
        result.record_stream(self._down)
        return Download(pinned, event)

    def autocast(self) -> AbstractContextManager[object]:
        """Mixed precision where the card allows it and the device is a GPU."""
        if self.precision in _AUTOCAST:
            return torch.autocast(self.torch.type, _AUTOCAST[self.precision])
        return nullcontext()
