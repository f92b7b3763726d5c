"""What went wrong, from the logs of the nodes that failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imaging_core.errors import EXIT_NOT_ACCEPTABLE
from workflows.display import ending
from workflows.local import Node

MOST_MESSAGES = 3
MOST_LINES = 25
TAIL_BYTES = 16 * 1024
ATTEMPT = "--- "
"""Begins the line that the local engine writes above each attempt's output."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One message, as the first of these nodes put it, and the nodes whose logs end with it."""

    message: str
    nodes: tuple[Node, ...]


def failures(nodes: Sequence[Node]) -> list[Failure]:
    """The nodes that failed, in the order in which they came to be; messages that differ by the item only are one.

    A step that finished, with a result that is not acceptable, did not fail: its result says what is wrong.
    """
    grouped: dict[str, list[Node]] = {}
    messages: dict[str, str] = {}
    for node in nodes:
        if node.state == "ended" and node.status != "Succeeded" and node.exit_code != EXIT_NOT_ACCEPTABLE:
            message = last_words_of(node.log)
            alike = message if node.item is None else message.replace(node.item, "*")
            messages.setdefault(alike, message)
            grouped.setdefault(alike, []).append(node)
    return [Failure(messages[alike], tuple(members)) for alike, members in grouped.items()]


def describe(found: Sequence[Failure]) -> list[str]:
    """Lines for a person: each message once, who said it, and where its log lies."""
    lines = []
    for failure in found[:MOST_MESSAGES]:
        first, others = failure.nodes[0], len(failure.nodes) - 1
        also = f" and {others} more" if others else ""
        lines += ["", f"{first.name}{also} {ending(first)}, log: {first.log}"]
        lines += [f"  {line}" for line in failure.message.splitlines()]
    if len(found) > MOST_MESSAGES:
        rest = [node.name for failure in found[MOST_MESSAGES:] for node in failure.nodes]
        shown = ", ".join(rest[:MOST_MESSAGES]) + (", …" if len(rest) > MOST_MESSAGES else "")
        lines += ["", f"{len(rest)} more failed for other reasons ({shown}); their logs are beside those above"]
    return lines


def last_words_of(log: Path) -> str:
    """The end of the last attempt's output in a log file of the local engine."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        return f"(its log cannot be read: {error.strerror})"
    heads = [number for number, line in enumerate(lines) if line.startswith(ATTEMPT)]
    return last_words(lines[heads[-1] + 1 :] if heads else lines)


def last_words(lines: Sequence[str]) -> str:
    """The end of a step's output: from its last ``error:`` line on, else its last lines."""
    errors = [number for number, line in enumerate(lines) if line.startswith("error:")]
    lines = lines[errors[-1] :][:MOST_LINES] if errors else lines[-MOST_LINES:]
    return "\n".join(lines) or "(it said nothing)"
