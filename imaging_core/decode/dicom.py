"""DICOM: an image, a volume of many frames, or a series of files as one volume.

A single frame is an image; several, in one file or many, are a volume, its slices ascending along their normal
(:mod:`imaging_core.decode.dicom_series`). Frames of one file that says nothing of where they lie stay in their order.
Grey values are what a viewer would show or what the modality measured, as the model's card wants them
(:attr:`imaging_core.decode.case.Limits.dicom`); ground truth is taken as it is stored, of a
segmentation segment by segment (:mod:`imaging_core.decode.segments`). Overlays are not drawn.
"""

import re
from collections.abc import Sequence

import numpy as np

from imaging_core.decode.case import Case, CaseError, Limits, ModelInput, Place, Planes
from imaging_core.decode.raster import as_channels
from imaging_core.decode.reading import Role, codec_failures, read_whole
from imaging_core.decode.segments import Segments
from imaging_core.decode.volume import Volume
from imaging_core.store.base import Source

_SHORT_VR = rb"(?:AE|AS|CS|DA|DS|DT|IS|LO|LT|PN|SH|ST|TM|UI|UL|US)"
_WITHOUT_PREAMBLE = re.compile(
    rb"\x02\x00\x00\x00UL\x04\x00"  # the group length of the file meta information
    rb"|\x08\x00[\x00-\x20]\x00(?:" + _SHORT_VR + rb"|[\x00-\x40]\x00\x00\x00)"  # little-endian, explicit or implicit
    rb"|\x00\x08\x00[\x00-\x20]" + _SHORT_VR  # big-endian
)
"""A first element of group 0002 or 0008, as files have it that lack the preamble."""


class DicomDecoder:
    """Decodes DICOM; pydicom is imported with the first file, for that takes half a second."""

    name = "DICOM"
    suffixes = frozenset({".dcm", ".dicom", ".ima"})
    whole = True

    def recognises(self, head: bytes) -> bool:
        """``DICM`` after the preamble, or the first element of a file that has none."""
        return head[128:132] == b"DICM" or _WITHOUT_PREAMBLE.match(head) is not None

    def decode(self, sources: Sequence[Source], channels: int, limits: Limits) -> Case | Volume:
        """A single frame as a case of one model input; several as a volume."""
        from imaging_core.decode.dicom_read import read_image

        files = [self._bytes(source, limits, "image") for source in sources]
        with codec_failures(self.name, "image"):
            frames = read_image(files, limits)
            if len(frames.pixels) > 1:
                return Volume(np.stack(frames.pixels), frames.affine, frames.colour)
            pixels = as_channels(Planes(frames.pixels[0], frames.colour), channels, limits)
            size = pixels.shape[:2]
            return Case(size, 1, iter([ModelInput(pixels, Place((0, 0), size))]))

    def mask(self, source: Source, limits: Limits, *, indices: bool) -> Planes | Volume | Segments:
        """A single frame as planes; several as a volume; a segmentation as segments. Values are those stored."""
        from imaging_core.decode.dicom_read import read_mask

        data = self._bytes(source, limits, "mask")
        with codec_failures(self.name, "mask"):
            frames = read_mask(data, limits, spread_out=not indices)
            if isinstance(frames, Segments):
                return frames
            if len(frames.pixels) > 1:
                return Volume(np.stack(frames.pixels), frames.affine, frames.colour)
            return Planes(frames.pixels[0], frames.colour)

    def _bytes(self, source: Source, limits: Limits, role: Role) -> bytes:
        data = read_whole(source, limits, role)
        if not self.recognises(data):
            raise CaseError("unsupported", "the files of this sample have different formats; one is DICOM")
        return data


DICOM = DicomDecoder()
