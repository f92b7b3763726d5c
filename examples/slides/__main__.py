"""Draw slides with known tumours and write them, tiles to learn from, and their dataset files into a folder."""

from collections.abc import Sequence

from examples.command import out_folder
from steps.command import run_command


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.slides", __doc__, "build/slides", arguments)

    from examples.slides.images import write_slides  # tifffile takes a second to import

    learned, tested = write_slides(out)
    print(f"tiles to learn from: {learned}\nslides: {tested}")
    return 0


if __name__ == "__main__":
    run_command(main)
