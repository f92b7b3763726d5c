"""What is done to a run: drawn from a seed, so that it can be drawn again."""

import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tests.interruptions.timeline import PHASES, Moment, Timeline

Target = Literal["run", "step", "worker"]
After = Literal["when all are gone", "at once", "twice at once"]

SIGNALS = {signal.SIGKILL: 6, signal.SIGTERM: 3, signal.SIGINT: 2, signal.SIGSTOP: 2}
"""How often each is sent, in relation. SIGSTOP freezes a step, which wakes up when others have finished the run."""


@dataclass(frozen=True)
class Disturbance:
    """One signal.

    Attributes:
        moment: when it is sent.
        target: to whom: ``run`` itself, a step, or any process that a step started; ``run`` where there is no other.
        number: the signal.
        after: when a run that this ended is resumed, and whether by two commands.
    """

    moment: Moment
    target: Target
    number: signal.Signals
    after: After


def draw(seed: int, timeline: Timeline) -> Sequence[Disturbance]:
    """One to three disturbances. Six seeds in a row begin in the six phases of a run in turn.

    At most one of them makes the local engine wait before it tries a step again.
    """
    rng = random.Random(seed)
    drawn: list[Disturbance] = []
    for number in range(rng.choice((1, 1, 2, 3))):
        phase = PHASES[seed % len(PHASES)] if number == 0 else rng.choice(PHASES)
        waits = any(each.target != "run" for each in drawn)
        target: Target = "run" if waits else rng.choices(("run", "step", "worker"), (5, 4, 1))[0]
        sent = rng.choices(tuple(SIGNALS), tuple(SIGNALS.values()))[0]
        if target == "run" and sent is signal.SIGSTOP:
            sent = signal.SIGKILL
        after: After = rng.choices(("when all are gone", "at once", "twice at once"), (6, 3, 1))[0]
        drawn.append(Disturbance(timeline.moment(phase, rng.random()), target, sent, after))
    return drawn
