"""The command lines' common manners."""

import argparse
from typing import Any, NoReturn

from imaging_core.errors import EXIT_USAGE


class Parser(argparse.ArgumentParser):
    """Keeps the lines of its texts, knows no shortened options, and says what is wrong without a page of usage."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Say it, and leave with EXIT_USAGE."""
        self.exit(EXIT_USAGE, f"error: {message}\ntry: {self.prog} --help\n")
