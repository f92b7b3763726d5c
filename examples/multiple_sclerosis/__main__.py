"""Write synthetic FLAIR volumes, masks of their lesions and their dataset file into a folder.

Synthetic: this proves the path from volumes to metrics, not a model.
"""

from collections.abc import Sequence

from examples.command import out_folder
from steps.command import run_command


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.multiple_sclerosis", __doc__, "build/ms", arguments)

    from examples.multiple_sclerosis.images import write_volumes  # nibabel takes a second to import

    print(f"dataset: {write_volumes(out)}")
    return 0


if __name__ == "__main__":
    run_command(main)
