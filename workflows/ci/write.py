"""``--junit`` and ``--markdown``: the options, and the files."""

import argparse
from collections.abc import Callable
from pathlib import Path

from imaging_core.errors import ConfigurationError
from workflows.ci.junit import junit_xml
from workflows.ci.markdown import markdown
from workflows.ci.outcome import Outcome


def add_ci_options(parser: argparse.ArgumentParser) -> None:
    """Add the files for a continuous integration's pages."""
    group = parser.add_argument_group("for the pages of a continuous integration")
    group.add_argument("--junit", type=_writable, metavar="FILE", help="write the verdict there as JUnit XML")
    group.add_argument(
        "--markdown",
        type=_writable,
        metavar="FILE",
        help='append a summary to it: verdict, metrics, differences, links; on GitHub "$GITHUB_STEP_SUMMARY"',
    )


def write_ci_files(arguments: argparse.Namespace, read: Callable[[], Outcome]) -> None:
    """Write what was asked for, of the outcome that ``read`` gives; ConfigurationError when that cannot be."""
    if not (arguments.junit or arguments.markdown):
        return
    outcome = read()
    path = arguments.junit
    try:
        if arguments.junit:
            arguments.junit.write_bytes(junit_xml(outcome))
        if path := arguments.markdown:
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(markdown(outcome))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}; give another file") from error


def _writable(text: str) -> Path:
    """A file in a folder that is there: a mistake should not show after hours."""
    path = Path(text)
    if not text or path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a file in a folder that exists")
    return path
