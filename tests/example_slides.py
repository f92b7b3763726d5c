"""The slides of ``examples/slides``, small ones, with their dataset file and an untrained model that sees them."""

from pathlib import Path

import numpy as np

from examples.slides.images import draw, write_pyramid
from tests.small_run import make_bundle, write_dataset

SIDE = 512
TUMOUR, NO_TUMOUR = 4, 7


def write_example(folder: Path) -> None:
    """Two slides and their masks in ``data``, with ``crops.yml``; the second has no tumour. The model is ``model``."""
    entries = []
    for case, number in enumerate((TUMOUR, NO_TUMOUR)):
        pixels, tumour = draw(number, tumours=number != NO_TUMOUR, side=SIDE)
        slide, mask = f"slide {case}.tif", f"mask {case}.tif"
        write_pyramid(folder / "data" / slide, pixels)
        write_pyramid(folder / "data" / mask, tumour.astype(np.uint8) * np.uint8(255))
        entries.append({"location": slide, "label": mask})
    write_dataset(folder / "data", entries)
    middle = pixels[192:320:2, 192:320:2]
    seen = {"height": 64, "width": 64, "channels": 3, "mpp": 1.0, "overlap": 0.25}
    make_bundle(folder / "model", "segmentation", "binary", ["tumour"], picture=middle, input=seen)
