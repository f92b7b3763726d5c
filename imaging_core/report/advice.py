"""Failed and skipped cases in groups, each with what a person can do about it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from imaging_core.decode.case import FailureKind
from imaging_core.metrics.merge import Merged, Reason

SHOWN = 20

ADVICE: dict[FailureKind, str] = {
    "missing": "Check that the data was copied whole and that the dataset names the right place.",
    "unreadable": "Open the file with another program; fetch it again from its source, or take it out of the split.",
    "unsupported": "Convert the file to a format of the README's table, or ask for this one.",
    "too_large": "Raise --max-pixels or --max-bytes if the machine has the memory for it.",
    "mask_missing": "Check that the masks were copied whole; without a label the case is inferred and not scored.",
    "mask_unreadable": "Open the mask with another program and write it again, as PNG for instance.",
    "mask_size": "Image and mask differ in size: find out which of the two was resized or rotated.",
    "mask_value": "The mask holds a value that is no class of the model: compare its encoding with the card's classes.",
    "label_missing": "The label does not fit the model: compare the dataset's classes with the card's.",
    "not_finite": "The image, or what the model made of it, holds NaN or infinity: check the image and the weights.",
    "out_of_memory": "Infer on a machine with more memory, or lower --max-pixels so that such cases fail early.",
    "store": "The store did not answer: resume the run when it does.",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Cases that failed, or were skipped, for one reason.

    Attributes:
        cases: ids of the first of them, ascending.
        count: how many there are.
        what_to_do: one sentence.
    """

    state: str
    kind: str
    reason: str
    temporary: bool
    cases: tuple[str, ...]
    count: int
    what_to_do: str


def troubles(merged: Merged) -> list[Trouble]:
    """The groups: failures first, the most frequent first."""
    rows: dict[tuple[str, Reason], list[int]] = defaultdict(list)
    for row, reason in merged.reasons.items():
        rows[merged.state_of(row), reason].append(row)
    groups = [
        Trouble(
            state=state,
            kind=reason.kind,
            reason=reason.sentence,
            temporary=reason.temporary,
            cases=tuple(merged.expected.id(row) for row in members[:SHOWN]),
            count=len(members),
            what_to_do=_advice(state, reason),
        )
        for (state, reason), members in rows.items()
    ]
    return sorted(groups, key=lambda group: (group.state, -group.count, group.kind, group.reason))


def _advice(state: str, reason: Reason) -> str:
    if state == "skipped":
        return "Left out by this rule on purpose; nothing to do."
    known: Mapping[str, str] = dict(ADVICE.items())
    return known.get(reason.kind, "Read the shard's log for this case.")
