"""One case, or one part of a slide, as the report shows it."""

import io
from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True, slots=True)
class Picture:
    """One case as the report shows it.

    Attributes:
        data: PNG or JPEG; empty when the picture could not be made.
        extension: ``png`` or ``jpg``.
        width: in pixels.
        height: in pixels.
        truth: the outline of the ground truth (data of an SVG path), None without one.
        predicted: the outline of the prediction, None without one.
        missed: the outline of what is true and not said so, None unless both are known.
        added: the outline of what is said and not true, None unless both are known.
        truth_share: which fraction of the image the ground truth covers; None without one.
        predicted_share: the same of the prediction.
        slice: of a volume, which slice it shows (from 1, in the order in which the model sees them) and of how many.
        problem: why there is no picture, or not all of it.
        caption: what it shows, of a part of a slide.
        regions: of a slide, its heat map and parts of it at the size at which the model sees them.
    """

    data: bytes = b""
    extension: str = "jpg"
    width: int = 0
    height: int = 0
    truth: str | None = None
    predicted: str | None = None
    missed: str | None = None
    added: str | None = None
    truth_share: float | None = None
    predicted_share: float | None = None
    slice: tuple[int, int] | None = None
    problem: str = ""
    caption: str = ""
    regions: "tuple[Picture, ...]" = ()


def encoded(picture: Image.Image, extension: str) -> bytes:
    """PNG or JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG" if extension == "png" else "JPEG", quality=85, optimize=True)
    return buffer.getvalue()
