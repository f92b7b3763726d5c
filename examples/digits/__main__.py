"""Write the digits and their dataset file into a folder."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from steps.command import run_command

EXAMPLE = "example:\n  python -m examples.digits --out build/digits"


def main(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.digits",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)

    from examples.digits.images import write_digits  # scikit-learn takes seconds to import

    print(f"dataset: {write_digits(options.out)}")
    return 0


if __name__ == "__main__":
    run_command(main)
