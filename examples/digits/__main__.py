"""Write the digits and their dataset file into a folder."""

from collections.abc import Sequence

from examples.command import out_folder
from steps.command import run_command


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.digits", __doc__, "build/digits", arguments)

    from examples.digits.images import write_digits  # scikit-learn takes seconds to import

    print(f"dataset: {write_digits(out)}")
    return 0


if __name__ == "__main__":
    run_command(main)
