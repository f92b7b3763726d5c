"""Ray Data: ``python -m benchmarks.throughput.ray_data FOLDER OUT``. Prints how many images a second.

Tuned as ours is: one actor a core, each with one thread, which decodes and infers, so that no image passes the object
store. The time runs from the first batch on, after Ray and its actors have started.
"""

import os
import sys
import time
from typing import Any

os.environ["RAY_AUTH_MODE"] = "disabled"

import numpy as np
import ray
import torch
from numpy.typing import NDArray

from benchmarks.throughput.plain import Model, images_of, write_scores


class Infer:
    """One actor."""

    def __init__(self, folder: str, out: str) -> None:
        torch.set_num_threads(1)
        self.model = Model(folder, out)

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Infer some paths; returns what was made of each, and when."""
        begun = time.time()
        paths = [str(path) for path in batch["item"]]
        prepared = [self.model.prepare(path) for path in paths]
        scores = self.model.infer(paths, torch.stack([image for image, _ in prepared]), [size for _, size in prepared])
        return {
            "path": np.array(paths),
            "scores": np.array(scores or [[]] * len(paths)),
            "begun": np.full(len(paths), begun),
            "ended": np.full(len(paths), time.time()),
        }


def main(folder: str, out: str) -> None:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    card = Model(folder, out).card
    paths = images_of(folder)
    data = ray.data.from_items(paths, override_num_blocks=max(4, len(paths) // (card.batch * 8))).map_batches(
        Infer, fn_constructor_args=(folder, out), batch_size=card.batch, concurrency=2, num_cpus=1
    )
    rows = data.take_all()
    if card.task == "classification":
        write_scores(out, [(row["path"], list(row["scores"])) for row in rows])
    print(len(rows) / (max(row["ended"] for row in rows) - min(row["begun"] for row in rows)))


if __name__ == "__main__":
    main(*sys.argv[1:])
