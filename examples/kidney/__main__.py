"""Write synthetic CT series (DICOM), labels of kidneys and lesions (NIfTI) and their dataset file into a folder.

Synthetic: this proves the path from series to metrics, not a model.
"""

from collections.abc import Sequence

from examples.command import out_folder
from steps.command import run_command


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.kidney", __doc__, "build/kidney", arguments)

    from examples.kidney.images import write_patients  # pydicom takes a second to import

    print(f"dataset: {write_patients(out)}")
    return 0


if __name__ == "__main__":
    run_command(main)
