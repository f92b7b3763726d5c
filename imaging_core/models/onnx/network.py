"""An ONNX model as a PyTorch module: tensors go in and come out, onnxruntime computes."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from imaging_core.models.card import Card
from imaging_core.models.onnx.fitting import fitted, output_shape
from imaging_core.models.onnx.graph import Graph, describe
from imaging_core.models.onnx.opening import open_model
from imaging_core.models.onnx.session import Gpu, computed_by_cpu, onnx_errors, open_session

_TYPES = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16}
_NUMPY = {torch.float32: np.float32, torch.float16: np.float16}


class OnnxNetwork(nn.Module):
    """A model in inference on one device; it has no parameters that PyTorch knows of.

    Computes with as many threads as PyTorch does, and in TF32 only where the card says so. On a GPU nothing goes
    through the host's memory: onnxruntime reads and writes PyTorch's tensors, on a stream of its own that waits for
    PyTorch's and that PyTorch's waits for.

    Args:
        data: the file.
        card: what it has to be.
        device: where it computes.
        where: names the file in errors.

    Attributes:
        graph: what is in the file.
        left_to_cpu: on a GPU, the operators that are computed on the CPU all the same, and how many there are.

    Raises:
        DataError: not ONNX, ONNX that is refused, or not what the card says.
        ConfigurationError: the installed onnxruntime cannot use the GPU.
        MemoryError: there is none for it.
    """

    def __init__(self, data: bytes, card: Card, device: torch.device, where: str) -> None:
        super().__init__()
        self._where, self._device, self._index = where, device, device.index or 0
        self._stream: torch.cuda.Stream | None = None
        gpu = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            gpu = Gpu(self._index, self._stream.cuda_stream, card.precision == "tf32")
        model = open_model(data, where)
        self.graph: Graph = describe(model)
        self._session = open_session(fitted(model, card, where), torch.get_num_threads(), gpu, where)
        self.left_to_cpu = computed_by_cpu(self._session) if gpu is not None else Counter[str]()
        (taken,), (given,) = self._session.get_inputs(), self._session.get_outputs()
        self._input, self._takes = taken.name, _TYPES[taken.type]
        self._output, self._gives = given.name, _TYPES[given.type]
        self._promised = output_shape(card)

    def forward(self, images: Tensor) -> Tensor:
        """The card's batch x channels x (depth x) height x width, float32, to its batch x classes (x the same sides).

        Raises:
            DataError: onnxruntime fails, or gives another shape.
            MemoryError, TemporaryError: as of the device.
        """
        taken = images.to(self._takes).contiguous()
        given = torch.empty(self._promised, dtype=self._gives, device=self._device)
        binding = self._session.io_binding()
        for bind, name, tensor in (
            (binding.bind_input, self._input, taken),
            (binding.bind_output, self._output, given),
        ):
            bind(
                name,
                device_type=self._device.type,
                device_id=self._index,
                element_type=_NUMPY[tensor.dtype],
                shape=tuple(tensor.shape),
                buffer_ptr=tensor.data_ptr(),
            )
        with self._in_order(taken, given), onnx_errors(self._where):
            self._session.run_with_iobinding(binding)
        return given

    @contextmanager
    def _in_order(self, *tensors: Tensor) -> Iterator[None]:
        """After what PyTorch has queued on the GPU, and before what it queues next."""
        if self._stream is None:
            yield
            return
        torchs = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(torchs)
        for tensor in tensors:
            tensor.record_stream(self._stream)
        yield
        torchs.wait_stream(self._stream)
