"""Writes a network of ours as ONNX, and proves that onnxruntime computes the same."""

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.onnx.errors import OnnxExporterError

from imaging_core.errors import NotAcceptableError, UsageError
from imaging_core.models.card import ONNX, Architecture, Card
from imaging_core.models.onnx.network import OnnxNetwork
from imaging_core.models.onnx.opening import OLDEST_OPSET

DEFAULT_OPSET = 17
NEWEST_OPSET = 20
"""Of PyTorch's exporter that needs no compiler."""

TOLERANCE = 1e-4
BATCHES = 3


def export(model: nn.Module, card: Card, opset: int) -> tuple[bytes, float]:
    """A network as an ONNX file: input ``images`` in batches of any size, output ``scores`` before the activation.

    Args:
        model: on the CPU, in eval mode.
        card: the model's.
        opset: version of the operators.

    Returns:
        The file, and by how much what onnxruntime gives for noise differs from what PyTorch gives, at most.

    Raises:
        UsageError: the opset is none that PyTorch writes, or lacks an operator that the network needs.
        NotAcceptableError: they differ by more than :data:`TOLERANCE`.
    """
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise UsageError(f"--opset {opset}: {OLDEST_OPSET} to {NEWEST_OPSET} are written")
    shape = (card.batch, card.input.channels, *card.input.size)
    data = _written(model, torch.zeros(shape), opset)
    named = card.model_copy(update={"architecture": Architecture(name=ONNX), "precision": "fp32"})
    read = OnnxNetwork(data, named, torch.device("cpu"), "the exported file")
    difference = 0.0
    with torch.inference_mode():
        for seed in range(BATCHES):
            images = _noise(card, shape, seed)
            difference = max(difference, float((read(images) - model(images)).abs().max()))
    if not difference <= TOLERANCE:
        raise NotAcceptableError(
            f"onnxruntime's output differs from PyTorch's by up to {difference:.2g}, more than {TOLERANCE:g}; "
            "nothing is written; try another --opset"
        )
    return data, difference


class Averages(nn.Module):
    """Adaptive average pooling for inputs of one size, as two products; ONNX has no operator for the general case.

    Output row i is the mean of the input rows from floor(i * n / m) to ceil((i + 1) * n / m), as PyTorch has it.
    """

    def __init__(self, height: int, width: int, side: int) -> None:
        super().__init__()
        self.rows, self.columns = _shares(height, side), _shares(width, side).T

    def forward(self, maps: Tensor) -> Tensor:
        """N x C x height x width to N x C x side x side."""
        return self.rows @ maps @ self.columns


def _shares(size: int, parts: int) -> Tensor:
    shares = torch.zeros(parts, size)
    for part in range(parts):
        first, end = part * size // parts, -(-(part + 1) * size // parts)
        shares[part, first:end] = 1 / (end - first)
    return shares


@contextmanager
def _pooling_in_products(model: nn.Module, images: Tensor) -> Iterator[None]:
    """While it lasts, the model pools to 7 x 7 as :class:`Averages` does."""
    pools: dict[str, tuple[nn.Module, int]] = {}
    for name, each in model.named_modules():
        if isinstance(each, nn.AdaptiveAvgPool2d) and isinstance(each.output_size, int) and each.output_size > 1:
            pools[name] = each, each.output_size
    sizes: dict[nn.Module, torch.Size] = {}
    hooks = [
        pool.register_forward_pre_hook(lambda pool, taken: sizes.update({pool: taken[0].shape}))
        for pool, _ in pools.values()
    ]
    with torch.inference_mode():
        model(images[:1])
    for hook in hooks:
        hook.remove()
    for name, (pool, side) in pools.items():
        *_, height, width = sizes[pool]
        model.set_submodule(name, Averages(height, width, side))
    try:
        yield
    finally:
        for name, (pool, _) in pools.items():
            model.set_submodule(name, pool)


@contextmanager
def _nothing_printed() -> Iterator[None]:
    """While it lasts, the process has no standard output: an exporter that fails shows all of the network, in C++."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _written(model: nn.Module, images: Tensor, opset: int) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), _nothing_printed(), _pooling_in_products(model, images):
        warnings.simplefilter("ignore")  # the exporter that needs no compiler is the old one, it says
        try:
            torch.onnx.export(
                model,
                (images,),
                file,  # type: ignore[arg-type]
                dynamo=False,
                opset_version=opset,
                input_names=["images"],
                output_names=["scores"],
                dynamic_axes={"images": {0: "batch"}, "scores": {0: "batch"}},
            )
        except OnnxExporterError as error:
            said = str(error).partition("\n")[0]
            raise UsageError(f"--opset {opset}: {said}; take another, the default is {DEFAULT_OPSET}") from error
    return file.getvalue()


def _noise(card: Card, shape: tuple[int, ...], seed: int) -> Tensor:
    """Seeded noise as preprocessing would give it."""
    images = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    for values, apply in ((card.input.mean, torch.Tensor.sub), (card.input.std, torch.Tensor.div)):
        if values is not None:
            images = apply(images, torch.tensor(values).view(-1, *[1] * (len(shape) - 2)))
    return images
