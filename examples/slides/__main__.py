"""Draw slides with known tumours and write them, tiles to learn from, and their dataset files into a folder."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from steps.command import run_command

EXAMPLE = "example:\n  python -m examples.slides --out build/slides"


def main(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.slides",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)

    from examples.slides.images import write_slides  # tifffile takes a second to import

    learned, tested = write_slides(options.out)
    print(f"tiles to learn from: {learned}\nslides: {tested}")
    return 0


if __name__ == "__main__":
    run_command(main)
