"""onnxruntime with fixed algorithms: one provider, so many threads, nothing that is tuned while it runs. Torch-free."""

import re
from collections import Counter
from contextlib import ContextDecorator
from dataclasses import dataclass
from typing import Any

import onnxruntime

from imaging_core.errors import ConfigurationError, DataError, TemporaryError
from imaging_core.models.onnx.opening import shortened

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

_WITHOUT_CUDA = (
    "the installed onnxruntime was built without CUDA and cannot compute on this GPU; install the onnxruntime-gpu that "
    "fits PyTorch's CUDA in its place, or take --device cpu"
)
_CUDA_DOES_NOT_LOAD = (
    "the installed onnxruntime cannot load CUDA and cannot compute on this GPU: it says above which library it misses, "
    "mostly of another CUDA or cuDNN than PyTorch's; install the onnxruntime-gpu that fits, or take --device cpu"
)
_FATAL = 4
_MEMORY_IS_FULL = ("BFCArena", "Failed to allocate memory", "bad_alloc", "out of memory", "ALLOC_FAILED")
_OTHER_GPU = ("no kernel image is available", "driver version is insufficient")
_NEWEST_KNOWN = re.compile(r"support for domain ai\.onnx is till opset (\d+)")
_GPU_FAILED = ("CUDA failure", "CUDA error", "CUDNN failure", "CUDNN_STATUS", "CUBLAS failure", "CUBLAS_STATUS")


@dataclass(frozen=True, slots=True)
class Gpu:
    """Where on a GPU to compute.

    Attributes:
        index: of the device, as CUDA counts the visible ones.
        stream: the address of a CUDA stream; never the default one, whose address is 0.
        tf32: whether convolutions and matrix products may round their factors to TF32.
    """

    index: int
    stream: int
    tf32: bool


class onnx_errors(ContextDecorator):  # noqa: N801 - reads as a statement
    """Turns what onnxruntime raises into an error of ours.

    MemoryError; TemporaryError of a failing GPU; ConfigurationError of one that it is not made for; else DataError.
    """

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, UnicodeDecodeError):  # what it wanted to say holds a name of the file that is no UTF-8
            said = bytes(error.object).decode(errors="replace")
        elif error is not None and type(error).__module__.startswith("onnxruntime"):
            said = str(error)
        else:
            return
        if any(words in said for words in _MEMORY_IS_FULL):
            raise MemoryError("the memory is full") from error
        if any(words in said for words in _OTHER_GPU):
            raise ConfigurationError(
                "the installed onnxruntime is not made for this GPU or its driver; take another image, GPU or driver"
            ) from error
        if any(words in said for words in _GPU_FAILED):
            raise TemporaryError(f"the GPU failed ({shortened(said)}); run the same again") from error
        if newest := _NEWEST_KNOWN.search(said):
            raise DataError(
                f"{self._where}: its opset is newer than the installed onnxruntime {onnxruntime.__version__} knows; "
                f"export it with opset {newest[1]} or lower"
            ) from error
        said = said.rpartition("Status Message: ")[2] or "it does not say why"
        raise DataError(f"{self._where}: onnxruntime cannot run it: {shortened(said)}; export it anew") from error


def open_session(model: bytes, threads: int, gpu: Gpu | None, where: str) -> Any:
    """An ``onnxruntime.InferenceSession`` of a model that :func:`imaging_core.models.onnx.fitting.fitted` gave.

    On a CPU its threads sleep when they have nothing to do: spinning would take time from decoding.

    Args:
        model: the model's bytes.
        threads: for computing on a CPU.
        gpu: where on a GPU; None for the CPU.
        where: names the model in errors.

    Raises:
        ConfigurationError: the installed onnxruntime cannot use a GPU.
        DataError: onnxruntime does not run such a model.
        MemoryError: there is none for it.
        TemporaryError: the GPU failed.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = _FATAL  # what matters is raised, too
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    providers: list[str | tuple[str, dict[str, str]]] = [CPU]
    if gpu is not None:
        if CUDA not in onnxruntime.get_available_providers():
            raise ConfigurationError(_WITHOUT_CUDA)
        onnxruntime.preload_dlls()  # of NVIDIA's packages; PyTorch has not loaded all that it needs
        providers.insert(0, (CUDA, _cuda_options(gpu)))
    with onnx_errors(where):
        session = onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)
    if gpu is not None and session.get_providers()[0] != CUDA:
        raise ConfigurationError(_CUDA_DOES_NOT_LOAD)
    return session


def computed_by_cpu(session: Any) -> Counter[str]:
    """How many operators of each name a session gave to the CPU: on a GPU those that its onnxruntime has none for."""
    return Counter(
        node.op_type
        for part in session.get_provider_graph_assignment_info()
        if part.ep_name == CPU
        for node in part.get_nodes()
    )


def _cuda_options(gpu: Gpu) -> dict[str, str]:
    """Fixed algorithms: convolutions are not tried out, and TF32 only when asked for."""
    return {
        "device_id": str(gpu.index),
        "user_compute_stream": str(gpu.stream),
        "cudnn_conv_algo_search": "DEFAULT",
        "use_tf32": str(int(gpu.tf32)),
        "tunable_op_enable": "0",
        "arena_extend_strategy": "kSameAsRequested",
    }
