"""What a person sees while the local engine works: a calm live region on a terminal, else a line now and then."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from workflows.local import Node
from workflows.local.engine import GRACE_SECONDS
from workflows.progress import Pace, Progress, duration, rate

FAN_OUT = "infer"
REDRAW_SECONDS = 0.2
LINE_SECONDS = (5.0, 60.0)
"""Without a terminal: the first waits between lines, and the longest; each is a little longer than the one before."""
MOST_LINES = 16
"""So many shards are followed one by one; of more, only the sum is shown."""
BAR_WIDTH = 30


class Display:
    """An observer of the local engine.

    Args:
        console: where to; stderr, so that stdout stays free for results.
        progress: what is known of cases already.
        samples: looks up each shard's number of cases, once the split is complete.
    """

    def __init__(self, console: Console, progress: Progress, samples: Callable[[], Mapping[str, int]]) -> None:
        self._console = console
        self._progress = progress
        self._samples = samples
        self._nodes: Sequence[Node] = ()
        self._said: dict[str, int] = {}
        self._next = 0.0
        self._wait = LINE_SECONDS[0]
        self._last_line = ""
        self._live: Live | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def started(self, node: Node) -> None:
        """Shown by the live region only."""

    def retrying(self, node: Node, wait: float) -> None:
        """One line, the first few times."""
        limit = node.step.retry.limit if node.step.retry else 0
        again = f"try {node.attempts + 1} of {limit + 1} in {duration(wait)}"
        self._say("retries", Text(f"{_title(node)}: {ending(node)}; {again}", style="yellow"))

    def ended(self, node: Node) -> None:
        """One line for a failure, and for success while there are few shards."""
        if node.status != "Succeeded":
            self._say("failures", Text(f"{_title(node)}: {ending(node)}", style="red"))
            return
        if node.task != FAN_OUT and not self._progress.samples:
            self._progress.samples = self._samples()
        if sum(each.task == node.task for each in self._nodes) > MOST_LINES:
            return
        samples = self._progress.samples.get(node.item or "")
        cases = "" if samples is None else f", {samples} case{'s' if samples != 1 else ''}"
        self._print(Text(f"{_title(node)}: done in {duration(node.ended - node.first_started)}{cases}"))

    def stopping(self, running: int) -> None:
        """Says what is being waited for."""
        steps = "1 step" if running == 1 else f"{running} steps"
        self._print(
            Text(
                f"stopping: {steps} may take up to {GRACE_SECONDS:.0f} s to finish writing; a second signal kills them"
            )
        )

    def tick(self, nodes: Sequence[Node]) -> None:
        """Redraw, or say a line, when it is time to."""
        self._nodes = nodes
        now = time.monotonic()
        for node in nodes:
            if node.state == "running":
                self._progress.of_node(node, now)
        if now < self._next:
            return
        if self._live:
            self._next = now + REDRAW_SECONDS
            self._live.update(self._region(now), refresh=True)
        else:
            self._next = now + self._wait
            self._periodic_line(now)

    def _periodic_line(self, now: float) -> None:
        fan_out = [node for node in self._nodes if node.task == FAN_OUT]
        line = _overall_line(self._progress.overall(fan_out, now), fan_out)
        if fan_out and line != self._last_line:
            self._last_line = line
            self._wait = min(self._wait * 1.2, LINE_SECONDS[1])
            self._print(Text(line))

    def _region(self, now: float) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        running = [node for node in self._nodes if node.state == "running"]
        for node in running[:MOST_LINES]:
            pace = self._progress.of_node(node, now)
            if pace:
                grid.add_row(_title(node), *pace_bar(pace))
            else:
                doing = "starting" if node.task == FAN_OUT else "working"
                grid.add_row(_title(node), Text(f"{doing}, {duration(math.floor(now - node.started))}", style="dim"))
        rows: list[RenderableType] = [grid]
        if len(running) > MOST_LINES:
            rows.append(Text(f"and {len(running) - MOST_LINES} more at work", style="dim"))
        fan_out = [node for node in self._nodes if node.task == FAN_OUT]
        if fan_out:
            overall = self._progress.overall(fan_out, now)
            grid.add_row("all shards", *pace_bar(overall))
            rows.append(Text(_shards_line(fan_out), style="dim"))
        return Group(*rows)

    def _say(self, kind: str, line: Text) -> None:
        self._said[kind] = self._said.get(kind, 0) + 1
        if self._said[kind] <= MOST_LINES:
            self._print(line)
        elif self._said[kind] == MOST_LINES + 1:
            self._print(Text(f"further {kind} are not shown one by one", style="dim"))

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)


def ending(node: Node) -> str:
    """How the node's last attempt ended, in words."""
    if node.status == "Error":
        return "ended without its output"
    return failed_with(node.exit_code or 0)


def failed_with(exit_code: int) -> str:
    """``failed with exit code 65 (bad data)``."""
    return f"failed with exit code {exit_code}{_MEANING.get(exit_code, '')}"


_MEANING = {
    1: " (not acceptable)",
    64: " (usage)",
    65: " (bad data)",
    70: " (a defect of the program)",
    75: " (temporary)",
    78: " (configuration)",
    137: " (killed; often for want of memory)",
    143: " (terminated)",
}


def _title(node: Node) -> str:
    return node.task if node.item is None else f"{node.task} {node.item}"


def pace_bar(pace: Pace) -> tuple[RenderableType, ...]:
    """Cells of a table's row: a bar, cases done of all, their rate, the time left."""
    return (
        ProgressBar(total=max(pace.total, 1), completed=pace.done, width=BAR_WIDTH),
        Text(f"{pace.done}/{pace.total}", justify="right"),
        Text("" if pace.rate is None else rate(pace.rate), justify="right"),
        Text("" if not pace.left else f"{duration(math.ceil(pace.left))} left", justify="right"),
    )


def _shards_line(fan_out: Sequence[Node]) -> str:
    ended = sum(node.state == "ended" for node in fan_out)
    running = sum(node.state == "running" for node in fan_out)
    waiting = len(fan_out) - ended - running
    return f"shards: {ended} of {len(fan_out)} ended, {running} at work, {waiting} waiting"


def _overall_line(pace: Pace, fan_out: Sequence[Node]) -> str:
    parts = [f"{pace.done} of {pace.total} cases" if pace.total else f"{pace.done} cases", _shards_line(fan_out)]
    if pace.rate is not None:
        parts.append(rate(pace.rate))
    if pace.left:
        parts.append(f"{duration(math.ceil(pace.left))} left")
    return "; ".join(parts)
