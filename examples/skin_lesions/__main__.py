"""Draw skin lesions and write them, with masks and two dataset files, into a folder.

Drawn: this proves the path from images to metrics, not a model.
"""

from collections.abc import Sequence

from examples.command import out_folder
from examples.skin_lesions.images import write_lesions
from steps.command import run_command


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.skin_lesions", __doc__, "build/skin", arguments)
    for dataset in write_lesions(out):
        print(f"dataset: {dataset}")
    return 0


if __name__ == "__main__":
    run_command(main)
