"""The command line that all examples have: a folder to write into."""

import argparse
from collections.abc import Sequence
from pathlib import Path


def out_folder(module: str, words: str | None, folder: str, arguments: Sequence[str] | None) -> Path:
    """Read ``--out FOLDER``.

    Args:
        module: as ``python -m`` takes it.
        words: its docstring, for ``--help``.
        folder: of the example in ``--help``.
        arguments: of the command line; None takes the process's own.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=words,
        epilog=f"example:\n  python -m {module} --out {folder}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="what is written goes there")
    out: Path = parser.parse_args(arguments).out
    return out
