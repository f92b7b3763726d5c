"""Small slides for tests: drawn tissue on glass with darker regions, in tiled TIFF as scanners write it."""

from pathlib import Path

import numpy as np
import tifffile

MPP = 0.5


def drawn(size=(700, 900), seed=0):
    """Pixels (height x width x 3, uint8): pink tissue on white glass, with dark regions; and which pixels are dark."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]

    def disc(row, column, radius):
        return np.hypot(rows - row * size[0], columns - column * size[1]) < radius * min(size)

    tissue = disc(0.5, 0.45, 0.42)
    dark = disc(0.4, 0.4, 0.16) | disc(0.65, 0.55, 0.1)
    pixels = np.full((*size, 3), 245, np.uint8)
    pixels[tissue] = 225, 150, 190
    pixels[dark] = 110, 50, 130
    noise = random.integers(-8, 9, pixels.shape)
    return (pixels + noise).clip(0, 255).astype(np.uint8), dark & tissue


def write_slide(path, pixels, mpp=MPP, levels=3, step=2, tile=128, compression="jpeg", **options):
    """A pyramid of tiled pages, each ``step`` times smaller than the one before."""
    with tifffile.TiffWriter(path, bigtiff=options.pop("bigtiff", False)) as writer:
        for level in range(levels):
            part = pixels[:: step**level, :: step**level]
            resolution = (1, 1) if mpp is None else (10_000 / (mpp * step**level),) * 2
            stored = {
                "photometric": "rgb" if pixels.ndim == 3 else "minisblack",
                "resolutionunit": "NONE" if mpp is None else "CENTIMETER",
                "software": False,
                "tile": (tile, tile),
            }
            stored |= {"compression": compression, "subfiletype": int(level > 0), "resolution": resolution}
            writer.write(part, metadata=None, **stored | options)
    return Path(path)


def write_mask(path, mask, **options):
    """A binary mask as a tiled TIFF of one level."""
    return write_slide(path, mask.astype(np.uint8) * 255, levels=1, compression="zlib", **options)
