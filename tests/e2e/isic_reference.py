"""A plain reference for segmentation: PyTorch, SciPy and scikit-image, nothing of this project.

    python isic_reference.py WEIGHTS.safetensors BATCH OUT IMAGE MASK [IMAGE MASK]...

Runs a SegNet (batch normalisation, unpooling) at 192 x 192 over the images in batches of BATCH, the last one padded
with zeros, in one thread. Writes OUT/<number>.png at each image's size, and OUT/figures.json with every metric of each
image at its own size, and DeepHealth's IoU at the model's.
"""

import json
import sys
from pathlib import Path

import numpy as np
import skimage.io
import torch
from safetensors.torch import load_file
from scipy import ndimage
from torch.nn import functional

SIDE = 192
TOLERANCE = 2
"""Of the normalised surface Dice, in pixels."""


def convolve(maps, tensors, stage):
    """The layers of one stage, in their order: convolutions, and after all but the last normalisation and ReLU."""
    for layer in sorted({int(name.split(".")[2]) for name in tensors if name.startswith(stage)}):
        of = {name.split(".")[3]: tensor for name, tensor in tensors.items() if name.startswith(f"{stage}{layer}.")}
        if of["weight"].ndim == 4:
            maps = functional.conv2d(maps, of["weight"], of["bias"], padding=1)
        else:
            maps = functional.batch_norm(maps, of["running_mean"], of["running_var"], of["weight"], of["bias"])
            maps = functional.relu(maps)
    return maps


def segnet(tensors, images):
    """Images, N x 3 x 192 x 192, to N x 1 x 192 x 192."""
    maps, positions = images, []
    for number in range(5):
        maps = convolve(maps, tensors, f"encoder.{number}.")
        maps, indices = functional.max_pool2d(maps, 2, return_indices=True)
        positions.append(indices)
    for number in range(5):
        maps = convolve(functional.max_unpool2d(maps, positions.pop(), 2), tensors, f"decoder.{number}.")
    return maps


def iou(said, true):
    return float((np.sum(said & true) + 1e-6) / (np.sum(said | true) + 1e-6))


def border(mask):
    return mask & ~ndimage.binary_erosion(mask)


def metrics(said, true):
    """Each metric of one image by its textbook formula, both sides holding something."""
    both = np.sum(said & true)
    jaccard = both / np.sum(said | true)
    there = ndimage.distance_transform_edt(~border(true))[border(said)]
    back = ndimage.distance_transform_edt(~border(said))[border(true)]
    every = np.concatenate([there, back])
    (true_lesions, trues), (said_lesions, saids) = (ndimage.label(mask, np.ones((3, 3))) for mask in (true, said))
    found = len(np.unique(true_lesions[said & true]))
    hits = len(np.unique(said_lesions[said & true]))
    return {
        "iou": float(jaccard),
        "dice": float(2 * both / (np.sum(said) + np.sum(true))),
        "thresholded_jaccard": float(jaccard if jaccard >= 0.65 else 0),
        "recall": float(both / np.sum(true)),
        "precision": float(both / np.sum(said)),
        "specificity": float(np.sum(~said & ~true) / np.sum(~true)),
        "pixel_accuracy": float(np.mean(said == true)),
        "volume_difference": float(abs(np.sum(said) - np.sum(true)) / np.sum(true)),
        "hd95": float(max(np.percentile(there, 95), np.percentile(back, 95))),
        "assd": float(np.mean(every)),
        "nsd": float(np.mean(every <= TOLERANCE)),
        "lesion_f1": 2 * found / (2 * found + saids - hits + trues - found),
        "lesion_recall": found / trues,
        "lesion_precision": found / (found + saids - hits),
    }


def main(weights, batch, out, *paths):
    torch.set_num_threads(1)
    batch = int(batch)
    tensors = {
        name: tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        for name, tensor in load_file(weights).items()
    }
    images = [skimage.io.imread(path) for path in paths[::2]]
    truths = [skimage.io.imread(path) >= 128 for path in paths[1::2]]
    inputs = [
        functional.interpolate(torch.from_numpy(image).permute(2, 0, 1)[None].float(), (SIDE, SIDE), mode="bilinear")
        / 255
        for image in images
    ]
    padding = [torch.zeros(1, 3, SIDE, SIDE)] * (-len(inputs) % batch)
    figures = []
    with torch.inference_mode():
        every = torch.cat(inputs + padding).to(memory_format=torch.channels_last)
        maps = torch.cat([torch.sigmoid(segnet(tensors, part)) for part in every.split(batch)])
        for number, (image, truth) in enumerate(zip(images, truths, strict=True)):
            small = maps[number : number + 1]
            full = functional.interpolate(small, image.shape[:2], mode="bilinear")[0, 0].numpy() >= 0.5
            skimage.io.imsave(Path(out) / f"{number}.png", full.astype(np.uint8) * 255, check_contrast=False)
            small_truth = functional.interpolate(
                torch.from_numpy(truth)[None, None].float(), (SIDE, SIDE), mode="nearest"
            )
            small_iou = iou(small[0, 0].numpy() >= 0.5, small_truth[0, 0].numpy() > 0)
            figures.append({**metrics(full, truth), "iou_deephealth": small_iou})
    (Path(out) / "figures.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
