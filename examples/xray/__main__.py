"""Draw chest X-rays and write them, with their dataset file, into a folder."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from steps.command import run_command

EXAMPLE = "example:\n  python -m examples.xray --out build/xray"


def main(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.xray",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)

    from examples.xray.images import write_xrays  # pydicom takes a second to import

    print(f"dataset: {write_xrays(options.out)}")
    return 0


if __name__ == "__main__":
    run_command(main)
