"""Ground truth of segmentation: from a mask file to truth values or class indices."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.case import CaseError, Decoder, Limits, Planes
from imaging_core.decode.dicom import DICOM
from imaging_core.decode.raster import grey
from imaging_core.decode.reading import codec_failures, read_head
from imaging_core.decode.registry import DECODERS, choose
from imaging_core.decode.segments import Segments, lay
from imaging_core.decode.volume import Affine, Volume, laid_like, misplaced
from imaging_core.store.base import Source

if TYPE_CHECKING:
    from imaging_core.decode.dicom_slices import Slice

MaskKind = Literal["binary", "multiclass", "multilabel"]

NOT_BLACK = 16
"""A binary mask with values, but none above this part of its type's range, holds class indices, or values of a smaller
type: taken for black it would be scored as empty."""

AS_MASK = {"unreadable", "unsupported", "not_finite"}
"""Kinds of failure of any file that of a mask are ``mask_unreadable``."""


def decode_mask(
    source: Source,
    limits: Limits,
    kind: MaskKind,
    decoders: Sequence[Decoder] = DECODERS,
    *,
    size: tuple[int, ...] | None = None,
    affine: Affine | None = None,
    classes: Sequence[str] = (),
    images: Sequence[Source] = (),
) -> NDArray[Any]:
    """Read one ground truth, at its own size.

    A volume holds class indices (a binary one is true above 0; a multilabel one has a channel for each class), and
    comes back turned into the orientation of its image. A DICOM segmentation is laid onto its image's slices as
    :func:`imaging_core.decode.segments.lay` says, of a volume that is not DICOM by where its frames lie.

    Args:
        source: the mask file.
        limits: what it may cost.
        kind: what the model's output is.
        decoders: the formats that are known.
        size: the image's, of a volume (slices, rows, columns).
        affine: where the image's voxels lie; None when it is no volume, or does not say.
        classes: the model's, which a DICOM segmentation's segments are named after.
        images: the image's files, which a DICOM segmentation's frames refer to.

    Returns:
        binary: bool, of its size, true where the grey value is at least half of its type's range.
        multiclass: integers, of its size, the class indices as they are stored (of a palette, the indices).
        multilabel: bool, planes x its size, each plane as a binary mask.

    Raises:
        CaseError: mask_missing, mask_unreadable, mask_size (of a volume that lies elsewhere than its image),
            mask_value, too_large, out_of_memory or store.
    """
    try:
        head = read_head(source, limits, "mask")
        planes = choose(head, decoders).mask(source, limits, indices=kind == "multiclass")
        if isinstance(planes, Segments):
            with codec_failures("DICOM", "mask"):
                return _of_segments(planes, kind, classes, size, affine, _slices(images, limits, decoders))
        if isinstance(planes, Volume):
            return _of_volume(_laid(planes, size, affine), kind)
        if kind == "multiclass":
            return _indices(planes)
        if kind == "multilabel":
            return np.ascontiguousarray(np.moveaxis(_truth(planes.pixels), -1, 0))
        return _truth(grey(planes))
    except CaseError as error:
        if error.kind in AS_MASK:
            raise CaseError("mask_unreadable", f"mask: {error.reason}") from error
        raise


def _slices(images: Sequence[Source], limits: Limits, decoders: Sequence[Decoder]) -> "list[Slice] | None":
    """The slices that DICOM calls by instance and frame; None of an image of another format."""
    if not images or choose(read_head(images[0], limits), decoders) is not DICOM:
        return None
    from imaging_core.decode.dicom_slices import read_slices  # pydicom

    return read_slices(images, limits)


def _of_segments(
    segments: Segments,
    kind: MaskKind,
    classes: Sequence[str],
    size: tuple[int, ...] | None,
    affine: Affine | None,
    slices: "list[Slice] | None",
) -> NDArray[Any]:
    if slices is None and affine is not None and size is not None and len(size) == 3:
        from imaging_core.decode.segments_on_volume import lay_on_volume  # pydicom

        return lay_on_volume(segments, kind, classes, affine, size)
    return lay(segments, kind, classes, slices, size)


def _laid(mask: Volume, size: tuple[int, ...] | None, affine: Affine | None) -> Volume:
    """The mask on the image's voxels; of another size it is left as it is, which whoever compares them finds."""
    if affine is None or mask.affine is None:
        if size is not None and len(size) == 3 and (affine is None) != (mask.affine is None):
            raise CaseError("mask_size", "only one of mask and image says where its voxels lie")
        return mask
    mask = laid_like(mask, affine)
    if mask.size == size and mask.affine is not None:
        apart = misplaced(mask.affine, affine, mask.size)
        if apart is not None:
            raise CaseError(
                "mask_size", f"the mask lies elsewhere than the image: by their affines up to {apart:.3g} mm apart"
            )
    return mask


def _of_volume(mask: Volume, kind: MaskKind) -> NDArray[Any]:
    if kind == "multiclass":
        return _indices(Planes(mask.voxels, mask.colour))
    if np.issubdtype(mask.voxels.dtype, np.floating) and np.isnan(mask.voxels).any():
        raise CaseError("mask_value", "the mask holds NaN")
    positive = mask.voxels > 0
    if kind == "multilabel":
        return np.moveaxis(positive, -1, 0)
    if positive.shape[-1] != 1:
        raise CaseError("mask_value", f"the mask has {positive.shape[-1]} channels; a binary mask has one")
    return positive[..., 0]


def _truth(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype == np.bool_:
        return values
    if np.issubdtype(values.dtype, np.floating):
        if np.isnan(values).any():
            raise CaseError("mask_value", "the mask holds NaN")
        return values >= 0.5
    check_not_black(int(values.max(initial=0)), values.dtype)
    return values >= (int(np.iinfo(values.dtype).max) // 2 + 1)


def check_not_black(largest: int, dtype: np.dtype[Any]) -> None:
    """CaseError (mask_value) when a binary mask with this largest value holds class indices (NOT_BLACK)."""
    most = int(np.iinfo(dtype).max)
    if 0 < largest <= most // NOT_BLACK:
        raise CaseError(
            "mask_value", f"the mask holds nothing above {largest} in {dtype}; a binary mask is 0 and {most}"
        )


def _indices(planes: Planes) -> NDArray[Any]:
    pixels = planes.pixels
    if planes.colour:
        if (pixels != pixels[..., :1]).any():
            raise CaseError(
                "mask_value", "the mask is coloured; a multiclass mask holds class indices, grey or palette"
            )
        pixels = pixels[..., :1]
    if pixels.shape[-1] != 1:
        raise CaseError("mask_value", f"the mask has {pixels.shape[-1]} planes; a multiclass mask has one")
    values = pixels[..., 0]
    if np.issubdtype(values.dtype, np.floating):
        if not (np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 2**31)).all():
            raise CaseError("mask_value", "the mask holds values that are no class indices")
        return values.astype(np.int32)
    return values.astype(np.uint8) if values.dtype == np.bool_ else values
