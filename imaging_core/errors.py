"""The errors that a person can mend, and the exit code that each of them means.

The codes follow BSD sysexits.h where it has one. Argo and the local engine retry 75, 137 (SIGKILL) and 143 (SIGTERM).
"""

from collections.abc import Sequence

EXIT_DONE = 0
EXIT_NOT_ACCEPTABLE = 1
EXIT_USAGE = 64
EXIT_DATA = 65
EXIT_BUG = 70
EXIT_TEMPORARY = 75
EXIT_CONFIGURATION = 78
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class InferenceError(Exception):
    """A condition that ends a command. Its message names what is wrong, where, and what to do."""

    exit_code: int


class UsageError(InferenceError):
    """The command line does not fit together."""

    exit_code = EXIT_USAGE


class DataError(InferenceError):
    """A dataset, a bundle or a run holds something that cannot be used: no retry will help."""

    exit_code = EXIT_DATA


class MissingError(DataError):
    """A location holds nothing."""


class TooLargeError(DataError):
    """An object is longer than the caller allows."""


class DamagedError(DataError):
    """An object's bytes are not those that were written, its checksum says; others may be sound."""


class TemporaryError(InferenceError):
    """Worth a retry: an overloaded server, a full disk, a failing GPU."""

    exit_code = EXIT_TEMPORARY


class ChangedError(TemporaryError):
    """An object was replaced while it was read: the pieces do not belong together."""


class LostError(TemporaryError):
    """A store gives nothing any more: whatever is asked of it next would wait in vain as well."""


class ConfigurationError(InferenceError):
    """The surroundings are wrong: permissions, credentials, a missing device or package."""

    exit_code = EXIT_CONFIGURATION


class DeniedError(ConfigurationError):
    """Access to one location is denied; others of the same store may be open."""


class NotAcceptableError(InferenceError):
    """The work finished, but its result does not fulfil what was asked."""

    exit_code = EXIT_NOT_ACCEPTABLE


def listing(title: str, problems: Sequence[str], shown: int = 20, total: int | None = None) -> str:
    """One message of many problems: the first ``shown`` of them, one a line, and how many there are in all.

    ``total`` counts them where ``problems`` holds only the first ones.
    """
    count = len(problems) if total is None else total
    lines = [f"{title}: {count} problem{'s' if count != 1 else ''}"]
    lines += [f"  {problem}" for problem in problems[:shown]]
    if count > shown:
        lines.append(f"  … and {count - shown} more")
    return "\n".join(lines)
