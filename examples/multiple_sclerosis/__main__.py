"""Write synthetic FLAIR volumes, masks of their lesions and their dataset file into a folder.

Synthetic: this proves the path from volumes to metrics, not a model.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from examples.multiple_sclerosis.images import write_volumes
from steps.command import run_command


def main(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.multiple_sclerosis",
        description=__doc__,
        epilog="example:\n  python -m examples.multiple_sclerosis --out build/ms",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    print(f"dataset: {write_volumes(parser.parse_args(arguments).out)}")
    return 0


if __name__ == "__main__":
    run_command(main)
