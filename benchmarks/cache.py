"""What a cache costs and saves: ``python -m benchmarks.cache`` (about a minute on two quiet cores).

Infers the same dataset without a cache, with an empty one (filling) and with a full one (warm), in turn in this
process, on one thread: a small U-Net on photographs, and LeNet-5 on tiny images, where a cache can save least. Prints
the medians and their ratios to the run without.
"""

import argparse
import json
import shutil
import statistics
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image
from sklearn.datasets import load_digits

from steps import bundle, infer, split_yaml

PHOTOGRAPHS = 96
ROUNDS = 3
UNET = "--architecture unet --parameter width=16 --input-size 192x192 --channels 3 --kind binary --classes bright"
LENET = f"--architecture lenet5 --input-size 32x32 --channels 1 --kind multiclass --classes {','.join('0123456789')}"


def photographs(folder: Path) -> list[dict[str, object]]:
    """Crops of a real photograph of the size of ISIC 2018's images, with masks of what is bright."""
    photograph = Image.open(Path(skimage.data.__file__).parent / "astronaut.png").resize((1200, 900))
    entries: list[dict[str, object]] = []
    for number in range(PHOTOGRAPHS):
        left, top = 61 * number % 600, 47 * number % 450
        crop = photograph.crop((left, top, left + 600, top + 450))
        crop.save(folder / f"{number}.jpg", quality=90)
        Image.fromarray((np.array(crop.convert("L")) > 128).astype(np.uint8) * 255).save(folder / f"{number}.png")
        entries.append({"location": f"{number}.jpg", "label": f"{number}.png"})
    return entries


def digits(folder: Path) -> list[dict[str, object]]:
    """1,797 scanned digits of 8 x 8 pixels."""
    data = load_digits()
    for number, image in enumerate(data.images):
        Image.fromarray((image * 15).astype(np.uint8)).save(folder / f"{number}.png")
    return [{"location": f"{number}.png", "label": int(label)} for number, label in enumerate(data.target)]


def seconds(folder: Path, name: str, *options: str) -> float:
    """How long the shard took, from the model's loading on."""
    run = folder / name
    shutil.rmtree(run, ignore_errors=True)
    asked = ["--run", str(run)]
    with redirect_stdout(StringIO()):
        split_yaml.main(["--dataset", str(folder / "data.yml"), "--split", "test", "--shards", "1", *asked])
        model = ["--model", str(folder / "model"), "--shard", "000", "--threads-per-step", "1", "--device", "cpu"]
        infer.main([*asked, *model, *options])
    return float(json.loads((run / "results/000/timing.json").read_text())["seconds"])


def compare(what: str, model: str, classes: list[str], write: Callable[[Path], list[dict[str, object]]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = write(folder)
        values = {"classes": classes, "images": images, "split": {"test": list(range(len(images)))}}
        (folder / "data.yml").write_text(json.dumps({key: value for key, value in values.items() if value}))
        with redirect_stdout(StringIO()):
            bundle.main(["pack", *model.split(), "--random-seed", "1", "--out", str(folder / "model")])
        cache = ("--cache", str(folder / "cache"))
        times: dict[str, list[float]] = {"without": [], "filling": [], "warm": []}
        for _ in range(ROUNDS):
            shutil.rmtree(folder / "cache", ignore_errors=True)
            times["without"].append(seconds(folder, "without"))
            times["filling"].append(seconds(folder, "filling", *cache))
            times["warm"].append(seconds(folder, "warm", *cache))
        kept = [path.stat().st_size for path in (folder / "cache").rglob("*") if path.is_file()]
    print(f"{what}, {len(images):,} cases; the cache is {sum(kept) / 2**20:.1f} MiB")
    without = statistics.median(times["without"])
    for name, each in times.items():
        median = statistics.median(each)
        print(f"  {name:8} {median:7.2f} s  {median / without:5.2f} of the run without", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cache", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    compare("U-Net on photographs of 600 x 450", UNET, [], photographs)
    compare("LeNet-5 on digits of 8 x 8", LENET, list("0123456789"), digits)


if __name__ == "__main__":
    main()
