"""Write slices of an averaged brain, masks of its white matter and their dataset file into a folder.

One averaged brain: this proves the path from images to metrics, not a model.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from steps.command import run_command

EXAMPLE = "example:\n  python -m examples.segmentation --out build/brain"


def main(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.segmentation",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)

    from examples.segmentation.images import write_slices  # nilearn takes seconds to import

    print(f"dataset: {write_slices(options.out)}")
    return 0


if __name__ == "__main__":
    run_command(main)
