"""Parts of photographs, slides and scans that scikit-image ships, in every type and with every number of channels."""

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import data
from torch import Tensor

from imaging_core.transforms.opencv import without_opencv

DTYPES = {"uint8": np.uint8, "uint16": np.uint16, "float32": np.float32}
KINDS = [("uint8", 1), ("uint8", 3), ("uint16", 1), ("uint16", 4), ("float32", 3)]
"""Types and channels."""

LARGEST = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


@dataclass(frozen=True)
class Pictures:
    """The same images for OpenCV (each height x width x channels) and for us (N x channels x height x width)."""

    arrays: list[NDArray]
    largest: float

    @property
    def batch(self) -> Tensor:
        return to_batch(self.arrays)


def to_batch(arrays: list[NDArray]) -> Tensor:
    return torch.stack([torch.from_numpy(np.ascontiguousarray(np.atleast_3d(a).transpose(2, 0, 1))) for a in arrays])


def to_arrays(batch: Tensor) -> list[NDArray]:
    return [each.permute(1, 2, 0).numpy() for each in batch]


@pytest.fixture(scope="session")
def photographs() -> list[NDArray]:
    """Two parts of coloured 8-bit images, 97 x 122 x 4: tissue and a retina, with a grey one behind them."""
    grey = data.coins()[:97, :122, None]
    colour = data.immunohistochemistry()[200:297, 100:222], data.retina()[600:697, 700:822]
    return [np.concatenate([each, grey], axis=-1) for each in colour]


def pictures(photographs: list[NDArray], dtype: str, channels: int) -> Pictures:
    kept = [each[..., :channels] for each in photographs]
    if dtype == "uint8":
        arrays = kept
    elif dtype == "uint16":  # low bits that no 8-bit image has
        arrays = [each.astype(np.uint16) * 256 + each[::-1, ::-1] for each in kept]
    else:
        arrays = [each.astype(np.float32) / np.float32(255) for each in kept]
    return Pictures([np.ascontiguousarray(each) for each in arrays], LARGEST[dtype])


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """Images this small are done before a second thread has begun."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def in_tensors(request):
    """Operators are held to OpenCV in their own computation; ``test_opencv`` looks at what OpenCV does for them."""
    with nullcontext() if request.path.stem == "test_opencv" else without_opencv():
        yield


@pytest.fixture(params=KINDS, ids=str)
def images(request, photographs) -> Pictures:
    return pictures(photographs, *request.param)


@pytest.fixture(params=DTYPES)
def grey(request, photographs) -> Pictures:
    return pictures(photographs, request.param, 1)


@pytest.fixture(params=[each for each in KINDS if each[0] != "float32"], ids=str)
def integers(request, photographs) -> Pictures:
    return pictures(photographs, *request.param)


@pytest.fixture
def colour8(photographs) -> Pictures:
    return pictures(photographs, "uint8", 3)


@pytest.fixture(scope="session")
def same():
    """Raise unless a batch is, within a tolerance, what a function makes of every array; by default exactly."""

    def compare(batch: Tensor, expected: list[NDArray], tolerance: float = 0) -> None:
        for ours, theirs in zip(to_arrays(batch), expected, strict=True):
            theirs = theirs.reshape(ours.shape)
            assert ours.dtype == theirs.dtype
            difference = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
            assert difference.max() <= tolerance, f"up to {difference.max()} at {np.argmax(difference)}"

    return compare
