"""The decoders. A new format is one new file and one line here."""

from collections.abc import Sequence

from imaging_core.decode import bmp, jpeg, png, tiff
from imaging_core.decode.case import Case, CaseError, Decoder, Limits
from imaging_core.decode.dicom import DICOM
from imaging_core.decode.identify import describe
from imaging_core.decode.nifti import NIFTI
from imaging_core.decode.present import normalized, present
from imaging_core.decode.raster import RasterDecoder
from imaging_core.decode.reading import read_head
from imaging_core.decode.slide_decoder import SLIDE
from imaging_core.decode.tiles import cut
from imaging_core.decode.volume import View, Volume
from imaging_core.store.base import Source

DECODERS: tuple[Decoder, ...] = (
    DICOM,  # first: a preamble may be another format's head
    RasterDecoder(jpeg),
    RasterDecoder(png),
    RasterDecoder(tiff),
    RasterDecoder(bmp),
    NIFTI,
)

SLIDES: tuple[Decoder, ...] = (SLIDE,)
"""Formats that are slides to a model that sees slides, and images to others: TIFF is both."""


def decode_sample(
    sources: Sequence[Source],
    channels: int,
    limits: Limits,
    decoders: Sequence[Decoder] = DECODERS,
    view: View = View(),  # noqa: B008 - it is frozen
    workers: int = 1,
) -> Case:
    """Decode one sample by what its first file holds, whatever its name says.

    Args:
        sources: the sample's files; of raster formats each is one plane.
        channels: what the model wants: 1 grey, 3 RGB, another number so many planes.
        limits: what the sample may cost.
        decoders: the formats that are known.
        view: how the model looks at volumes, slides and intensities.
        workers: so many threads read the tiles of a slide.

    Raises:
        CaseError: missing, unreadable, unsupported, too_large, not_finite, out_of_memory or store.
    """
    head = read_head(sources[0], limits)
    decoded = choose(head, known_to(view, decoders)).decode(sources, channels, limits)
    if isinstance(decoded, Volume):
        return present(decoded, channels, view, limits)
    if not isinstance(decoded, Case):
        if view.tiles is None:
            raise CaseError("unsupported", "this is a slide, and the model sees images; pack it with --mpp")
        return cut(decoded, channels, view.tiles, workers)
    if view.patches is not None:
        raise CaseError("unsupported", "the model sees patches of volumes, and this is an image")
    return normalized(decoded, view.intensity)


def known_to(view: View, decoders: Sequence[Decoder] = DECODERS) -> tuple[Decoder, ...]:
    """The formats as a model with this view knows them."""
    return (*SLIDES, *decoders) if view.tiles is not None and SLIDE not in decoders else tuple(decoders)


def choose(head: bytes, decoders: Sequence[Decoder] = DECODERS) -> Decoder:
    """The decoder of a file that starts with these bytes.

    Raises:
        CaseError: unsupported when it is of another known format, else unreadable.
    """
    for decoder in decoders:
        if decoder.recognises(head):
            return decoder
    known = ", ".join(decoder.name for decoder in decoders)
    found = describe(head)
    if found in (None, "text"):
        raise CaseError("unreadable", f"the file holds {found or 'something unknown'}, no image; known are {known}")
    raise CaseError("unsupported", f"{found} is not read here; known are {known}")
