"""Write slices of an averaged brain, masks of its white matter and their dataset file into a folder.

One averaged brain: this proves the path from images to metrics, not a model.
"""

from collections.abc import Sequence

from examples.command import out_folder
from steps.command import run_command


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.segmentation", __doc__, "build/brain", arguments)

    from examples.segmentation.images import write_slices  # nilearn takes seconds to import

    print(f"dataset: {write_slices(out)}")
    return 0


if __name__ == "__main__":
    run_command(main)
