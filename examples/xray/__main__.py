"""Draw chest X-rays and write them, with their dataset file, into a folder."""

from collections.abc import Sequence

from examples.command import out_folder
from steps.command import run_command


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.xray", __doc__, "build/xray", arguments)

    from examples.xray.images import write_xrays  # pydicom takes a second to import

    print(f"dataset: {write_xrays(out)}")
    return 0


if __name__ == "__main__":
    run_command(main)
