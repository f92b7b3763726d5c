"""Encoded images go to real files without an ending; decoders see them through a local store's source."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from imaging_core.decode.case import Limits
from imaging_core.decode.registry import choose, decode_sample
from imaging_core.decode.volume import Volume
from imaging_core.store import Location, Source, open_source

Decode = Callable[..., NDArray[Any]]


@pytest.fixture
def source(tmp_path: Path) -> Callable[[bytes], Source]:
    """The source of a new file with these bytes."""
    count = iter(range(1000))

    def write(data: bytes) -> Source:
        path = tmp_path / f"file-{next(count)}"
        path.write_bytes(data)
        return open_source(Location.parse(str(path)))

    return write


@pytest.fixture
def decode(source: Callable[[bytes], Source]) -> Decode:
    """Pixels, height x width x channels, of the one model input of a sample of one or several files."""

    def decode(*files: bytes, channels: int = 3, limits: Limits | None = None) -> NDArray[Any]:
        case = decode_sample([source(data) for data in files], channels, limits or Limits())
        (only,) = case.inputs
        assert case.count == 1
        assert only.pixels.shape == (*case.size, channels)
        assert (only.place.offset, only.place.extent) == ((0, 0), case.size)
        return only.pixels

    return decode


@pytest.fixture(scope="session")
def photographs() -> Path:
    """The real images that scikit-image's package holds."""
    return Path(skimage.data.__file__).parent


@pytest.fixture(scope="session")
def colour(photographs: Path) -> NDArray[np.uint8]:
    """A real photograph, 75 x 113 x 3."""
    return np.array(Image.open(photographs / "chelsea.png"))[::4, ::4]


def encoded(image: Image.Image | NDArray[Any], form: str, **options: Any) -> bytes:
    """The image as Pillow writes it."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, form, **options)
    return file.getvalue()


@pytest.fixture(name="encoded")
def _encoded() -> Callable[..., bytes]:
    return encoded


@pytest.fixture
def decode_volume(source: Callable[[bytes], Source]) -> Callable[..., Volume]:
    """The volume of a sample of one or several files, before any model looks at it."""

    def decode(files: list[bytes], limits: Limits | None = None) -> Volume:
        decoder = choose(files[0][:512])
        volume = decoder.decode([source(data) for data in files], 1, limits or Limits())
        assert isinstance(volume, Volume)
        return volume

    return decode
