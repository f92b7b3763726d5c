"""A plain PyTorch script: ``python -m benchmarks.throughput.dataloader FOLDER OUT``. Prints images a second."""

import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.throughput.plain import Model, images_of, write_scores

Item = tuple[str, torch.Tensor, tuple[int, int]]


class Images(Dataset[Item]):
    """The images, prepared."""

    def __init__(self, model: Model, paths: list[str]) -> None:
        self.model, self.paths = model, paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Item:
        return self.paths[index], *self.model.prepare(self.paths[index])


def main(folder: str, out: str) -> None:
    model = Model(folder, out)
    images = Images(model, images_of(folder))
    begun = time.perf_counter()
    rows: list[tuple[str, list[float]]] = []
    for paths, batch, (heights, widths) in DataLoader(images, batch_size=model.card.batch, num_workers=2):
        scores = model.infer(paths, batch, zip(heights, widths, strict=True))
        rows += zip(paths, scores, strict=False)
    if rows:
        write_scores(out, rows)
    print(len(images) / (time.perf_counter() - begun))


if __name__ == "__main__":
    main(*sys.argv[1:])
