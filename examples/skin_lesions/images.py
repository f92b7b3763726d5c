"""Drawn skin lesions as JPEG files, masks of them, and two dataset files like ISIC's: 2017's masks and 2018's classes.

No skin was ever photographed for these: blots on a ground, with hairs. They prove the path from images to metrics, not
a model.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from examples.dataset_file import write_dataset, write_png

COUNT = 240
SPLIT = {"training": range(144), "validation": range(144, 180), "test": range(180, COUNT)}
CLASSES = ("MEL", "NV", "VASC")
"""Melanoma, naevus, vascular lesion: three of the seven classes of ISIC 2018."""

SEGMENTATION, CLASSIFICATION = "skin_segmentation.yml", "skin_classification.yml"
WORTH = "drawn, no photographs: proves the path, not a model"


def write_lesions(folder: Path) -> tuple[Path, Path]:
    """Write images (.jpg), masks (0 and 255) and both dataset files; returns their paths. The same bytes every time.

    Each is drawn from its number alone; sizes and JPEG qualities differ, as those of several cameras do.
    """
    masks, labels = [], []
    for number in range(COUNT):
        name, kind = f"DRAWN_{number:07d}", CLASSES[number % len(CLASSES)]
        random = np.random.default_rng(number)
        height = int(random.integers(96, 145))
        pixels, lesion = draw(random, kind, height, height * 4 // 3)
        location, mask = f"images/{name}.jpg", f"ground_truth/{name}_segmentation.png"
        (folder / location).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / location, format="JPEG", quality=int(random.integers(75, 96)))
        write_png(folder / mask, lesion.astype(np.uint8) * np.uint8(255))
        masks.append({"location": location, "label": mask})
        labels.append({"location": location, "label": kind})
    segmentation, classification = folder / SEGMENTATION, folder / CLASSIFICATION
    write_dataset(segmentation, "Drawn skin lesions", f"Masks in the layout of ISIC 2017: {WORTH}", masks, SPLIT)
    description = f"Classes in the layout of ISIC 2018: {WORTH}"
    write_dataset(classification, "Drawn skin lesions", description, labels, SPLIT, CLASSES)
    return segmentation, classification


def draw(
    random: np.random.Generator, kind: str, height: int, width: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Height x width x 3 in RGB, and where the lesion is.

    A naevus is round and of one brown, a melanoma more ragged, darker and most often of several colours, a vascular
    lesion red; the first two overlap. Sizes, and how light skin and photograph are, tell nothing of the class.
    """
    rows, columns = np.mgrid[0:height, 0:width]
    down = (rows - height * random.uniform(0.4, 0.6)) / height
    across = (columns - width * random.uniform(0.4, 0.6)) / height
    angle, distance = np.arctan2(down, across), np.hypot(down, across)
    ragged = random.uniform(0.05, 0.14) if kind == "MEL" else random.uniform(0.02, 0.08)
    border = np.ones((height, width))
    for waves in range(2, 8):
        border += ragged * random.normal() / np.sqrt(waves) * np.cos(waves * angle + random.uniform(0, 2 * np.pi))
    inside = border * random.uniform(0.18, 0.33) - distance
    lesion = inside > 0

    skin = np.array([225.0, 178.0, 150.0]) * random.uniform(0.8, 1.05)
    pigment = np.array({"MEL": [115.0, 72.0, 52.0], "NV": [135.0, 85.0, 59.0], "VASC": [170.0, 45.0, 65.0]}[kind])
    image = np.broadcast_to(skin, (height, width, 3)).copy()
    depth = np.clip(inside / 0.03, 0, 1)[..., np.newaxis]
    image += depth * (pigment * random.uniform(0.75, 1.2) - image)
    if kind == "MEL" and random.random() < 0.8:
        for colour in ([45.0, 35.0, 40.0], [95.0, 105.0, 130.0]):
            patch = np.hypot(down - random.normal(0, 0.09), across - random.normal(0, 0.09)) < random.uniform(0.05, 0.1)
            image[patch & lesion] = colour
    for _ in range(random.integers(0, 5)):
        slope, offset = random.normal(0, 0.8), random.uniform(-0.4, 0.4)
        image[np.abs(down - slope * across - offset) < 0.006 * np.hypot(1, slope)] *= 0.45
    image *= (1.05 - 0.35 * distance**2)[..., np.newaxis] * random.uniform(0.85, 1.1)
    return np.clip(np.rint(image + random.normal(0, 5, image.shape)), 0, 255).astype(np.uint8), lesion
