"""What became of a case."""

from dataclasses import dataclass
from typing import Self

from imaging_core.decode.case import CaseError
from imaging_core.inference.head import Outcome
from imaging_core.inference.task import Task

_NO_MEMORY = "not enough memory for this case, even with nothing else under way"


@dataclass(slots=True)
class Result:
    """How a case was done, or why it failed.

    Attributes:
        task: the case.
        end: what was made of it.
        size: its spatial size in pixels, when it is done.
        inputs: how many model inputs it had.
    """

    task: Task
    end: Outcome | CaseError
    size: tuple[int, ...] = ()
    inputs: int = 0

    @classmethod
    def of_failure(cls, task: Task, error: CaseError | MemoryError) -> Self:
        """A case that failed."""
        return cls(task, error if isinstance(error, CaseError) else CaseError("out_of_memory", _NO_MEMORY))

    @property
    def lacked_memory(self) -> bool:
        """Whether the case may be done after all, with nothing else under way."""
        return isinstance(self.end, CaseError) and self.end.kind == "out_of_memory"

    @property
    def figure(self) -> float | None:
        """For the log; None without ground truth, and of a case that failed."""
        return self.end.figure if isinstance(self.end, Outcome) else None
