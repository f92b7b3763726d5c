"""A Case: what a decoder makes of one sample, one or many model inputs with their places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.sampling import Sampling
from imaging_core.decode.slide import Slide, TileGrid
from imaging_core.decode.volume import Grid, Volume
from imaging_core.store.base import Source

if TYPE_CHECKING:
    from imaging_core.decode.segments import Segments

Pixels = NDArray[np.uint8 | np.uint16 | np.float32]

FailureKind = Literal[
    "missing", "unreadable", "unsupported", "too_large", "mask_missing", "mask_unreadable", "mask_size", "mask_value",
    "label_missing", "not_finite", "out_of_memory", "store",
]  # fmt: skip


class CaseError(Exception):
    """This case cannot be inferred or scored: a ``failed`` line of the ledger, never the end of a shard.

    Attributes:
        kind: what a script may count.
        reason: one sentence for a person; never holds a file name, a path or a patient's tag.
        temporary: whether resuming the run is worth another try.
    """

    def __init__(self, kind: FailureKind, reason: str, *, temporary: bool = False) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.temporary = temporary


@dataclass(slots=True)
class Place:
    """Where a model input lies in its case: offset and extent in pixels of the case's full size, axis by axis.

    Of a volume the axes are slices, rows and columns as the model sees them (:class:`imaging_core.decode.volume.Grid`);
    a patch that is larger than its volume begins before 0. Of a slide they are rows and columns of the level that the
    model sees, and so is the case's size.
    """

    offset: tuple[int, ...]
    extent: tuple[int, ...]


@dataclass(slots=True)
class ModelInput:
    """What the model sees at once, before resizing.

    Attributes:
        pixels: height x width x channels, of a patch depth x height x width x channels; uint8 in [0, 255], uint16 in
            [0, 65535] or finite float32.
        place: where it lies in its case.
        sampling: of a patch, how it is made of the pixels; None when it is the pixels themselves.
    """

    pixels: Pixels
    place: Place
    sampling: Sampling | None = None


@dataclass(slots=True)
class Case:
    """A decoded sample.

    Attributes:
        size: spatial size in pixels, (height, width) of an image, (slices, rows, columns) of a volume's own voxels, of
            a slide (height, width) of the level that the model sees; what masks are written at.
        count: how many model inputs it has.
        inputs: yields them, once; a large case makes each only when it is asked for.
        grid: of a volume, how what the model sees lies on its voxels.
        tiles: of a slide, how its tiles lie.
    """

    size: tuple[int, ...]
    count: int
    inputs: Iterator[ModelInput]
    grid: Grid | None = None
    tiles: TileGrid | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one case may cost, and what of it is decoded.

    Attributes:
        pixels: at most so many in one plane (a decompression bomb has more), and at most four times as many values
            in all planes of a file together.
        encoded_bytes: at most so long a file.
        reduce_to: height and width in pixels; a JPEG is decoded at the smallest of libjpeg's scales (1/2, 1/4, 1/8)
            that gives at least so many. None decodes all of it.
        dicom: which grey values of DICOM files are decoded: ``window``, what a viewer shows, or ``rescaled``, what the
            modality measured (:mod:`imaging_core.decode.dicom_grey`).
        nan: what becomes of NaN: ``zero`` reads it as 0, ``fail`` refuses it.
    """

    pixels: int = 512 * 1024 * 1024
    encoded_bytes: int = 4 * 1024 * 1024 * 1024
    reduce_to: tuple[int, int] | None = None
    dicom: Literal["window", "rescaled"] = "window"
    nan: Literal["fail", "zero"] = "fail"


class Decoder(Protocol):
    """One format, one file. Registered in :mod:`imaging_core.decode.registry`."""

    @property
    def name(self) -> str:
        """What a person calls the format."""
        ...

    @property
    def suffixes(self) -> frozenset[str]:
        """File name endings, lower case with the dot, that suggest this format."""
        ...

    @property
    def whole(self) -> bool:
        """Whether :meth:`decode` reads each file from end to end, so that fetching it ahead pays."""
        ...

    def recognises(self, head: bytes) -> bool:
        """Whether a file that starts with these bytes (at least 512, or all of it) is of this format."""
        ...

    def decode(self, sources: Sequence[Source], channels: int, limits: Limits) -> Case | Volume | Slide:
        """Decode one sample; ``channels`` is what the model wants (1 grey, 3 RGB, else that many planes).

        Of a volume it gives all channels that there are: how a model looks at it is no decoder's
        business; nor is how it looks at a slide, which is given opened.

        Raises:
            CaseError: the sample cannot be decoded, with the kind of failure.
        """
        ...

    def mask(self, source: Source, limits: Limits, *, indices: bool) -> "Planes | Volume | Segments":
        """Read a ground truth in its own type.

        Args:
            source: the file.
            limits: what it may cost.
            indices: keep the values as stored (palette indices, 2-bit greys from 0 to 3), as class indices need;
                otherwise they are spread over the whole range of their type.

        Raises:
            CaseError: it cannot be read, or this format holds no masks.
        """
        ...


@dataclass(slots=True)
class Planes:
    """The pixels of a file, without alpha.

    Attributes:
        pixels: spatial axes, then planes (height x width x planes), upright, in the file's own type.
        colour: the first three planes are red, green and blue.
        full_size: height and width of the image when fewer pixels of it were decoded; None when all were.
    """

    pixels: NDArray[Any]
    colour: bool
    full_size: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of the image in the file."""
        return self.full_size or self.pixels.shape[:2]
