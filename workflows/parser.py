"""The command lines' common manners."""

import argparse
import json
from collections.abc import Sequence
from typing import Any, NoReturn

from imaging_core.errors import EXIT_USAGE, InferenceError


class Parser(argparse.ArgumentParser):
    """Keeps the lines of its texts, knows no shortened options, and says what is wrong without a page of usage."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Say it, and leave with EXIT_USAGE."""
        self.exit(EXIT_USAGE, f"error: {message}\ntry: {self.prog} --help\n")


def run_subcommand(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> int:
    """Call the ``main`` of the subcommand that the arguments name; with ``--json`` an error is an object, too."""
    parsed = parser.parse_args(arguments)
    try:
        return int(parsed.main(parsed))
    except InferenceError as error:
        if getattr(parsed, "json", False):
            print(json.dumps({"error": str(error), "exit_code": error.exit_code}, ensure_ascii=False))
        raise
