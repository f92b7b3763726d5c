"""Where onnxruntime computes, and what becomes of its errors."""

import onnxruntime
import pytest

from imaging_core.errors import ConfigurationError, DataError, TemporaryError
from imaging_core.models.onnx.session import CPU, CUDA, Gpu, computed_by_cpu, onnx_errors, open_session
from tests.onnx_files import classifier, segmenter

MODEL = classifier().file((3,), batch=4).SerializeToString()


def test_on_a_cpu_it_has_the_threads_that_it_is_given_and_no_tuning() -> None:
    session = open_session(MODEL, 3, None, "x.onnx")
    assert session.get_providers() == [CPU]
    options = session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    assert options.use_deterministic_compute
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.skipif(CUDA in onnxruntime.get_available_providers(), reason="this onnxruntime has CUDA")
def test_without_cuda_a_gpu_is_a_configuration_error_and_never_the_cpu() -> None:
    with pytest.raises(ConfigurationError, match=r"built without CUDA .* install the onnxruntime-gpu .* --device cpu"):
        open_session(MODEL, 1, Gpu(0, 1, tf32=False), "x.onnx")


def test_what_onnxruntime_cannot_run_is_a_data_error() -> None:
    with pytest.raises(DataError, match=r"^x\.onnx: onnxruntime cannot run it: .*; export it anew$"):
        open_session(MODEL[:1000], 1, None, "x.onnx")


def test_what_it_cannot_say_in_utf8_is_told_where_python_has_it() -> None:
    model = segmenter().file((1, 32, 32)).SerializeToString().replace(b"nearest", b"neare\xact")
    with pytest.raises(DataError, match=r"^x\.onnx: onnxruntime cannot run it: (.*neare\ufffdt|it does not say why)"):
        open_session(model, 1, None, "x.onnx")


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("BFCArena::AllocateRawInternal(size_t, bool) Available memory of 5 is smaller than requested", MemoryError),
        ("Failed to allocate memory for requested buffer of size 5", MemoryError),
        ("CUDNN_STATUS_ALLOC_FAILED", MemoryError),
        ("CUDA failure 209: no kernel image is available for execution on the device", ConfigurationError),
        ("CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version", ConfigurationError),
        ("CUDA failure 700: an illegal memory access was encountered", TemporaryError),
        ("CUBLAS failure 14", TemporaryError),
        ("shapes do not fit", DataError),
    ],
)
def test_its_errors_are_told_apart_by_their_words(said: str, error: type[Exception]) -> None:
    with pytest.raises(error), onnx_errors("x.onnx"):
        raise onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException(said)


def test_an_opset_that_is_too_new_for_it_names_the_newest_that_it_knows() -> None:
    """The onnx package may know a newer one than onnxruntime, whose words these are."""
    said = "Opset 28 is under development. Current official support for domain ai.onnx is till opset 26."
    newer = r"^x\.onnx: its opset is newer .*; export it with opset 26 or lower$"
    with pytest.raises(DataError, match=newer), onnx_errors("x.onnx"):
        raise onnxruntime.capi.onnxruntime_pybind11_state.Fail(said)


def test_a_session_says_which_operators_the_cpu_computes() -> None:
    """On a GPU none should be: they would be slow, and nothing else says so."""
    session = open_session(segmenter().file((1, 32, 32)).SerializeToString(), 1, None, "x.onnx")
    assert computed_by_cpu(session) == {"Conv": 4, "Relu": 3, "MaxPool": 1, "Resize": 1, "Concat": 1, "Sigmoid": 1}


def test_errors_of_others_pass() -> None:
    with pytest.raises(KeyError), onnx_errors("x.onnx"):
        raise KeyError("x")


def test_cuda_is_named_as_onnxruntime_names_it() -> None:
    assert {CPU, CUDA} <= set(onnxruntime.get_all_providers())
