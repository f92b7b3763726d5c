"""Tries an ONNX file out in a process of its own, before a bundle is made of it.

Whatever the file does to onnxruntime (a crash, no end, more memory than there is) ends that process, and is a DataError
here. What comes back has to be finite, shares of 1 where no activation follows, and the same for an image whatever its
place and its neighbours in the batch are: else shards would change results. Torch-free.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging_core.errors import DataError, InferenceError
from imaging_core.models.card import Card
from imaging_core.models.onnx.fitting import fitted, output_shape
from imaging_core.models.onnx.graph import dimensions
from imaging_core.models.onnx.opening import open_model
from imaging_core.models.onnx.session import onnx_errors, open_session

SECONDS = 600
"""Of processor time, for opening the file and inferring two batches."""

NEIGHBOURS_CHANGE = 1e-3
SHARES_MISS = 1e-2
"""How far scores may be from what they should be: float16 has three digits."""


def try_out(data: bytes, card: Card, where: str, seconds: int = SECONDS) -> None:
    """Infer two batches of noise on one CPU thread, elsewhere, within ``seconds`` of a processor.

    Raises:
        DataError: the file is none that is run, or not what the card says; ``where`` names it.
    """
    task = json.dumps({"card": card.model_dump(mode="json"), "where": where, "seconds": seconds}).encode() + b"\n"
    child = subprocess.run(
        [sys.executable, "-m", __name__],
        input=task + data,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    if child.returncode:
        raise DataError(f"{where}: {_ended(child.returncode, seconds)}; export it anew")
    problem = json.loads(child.stdout.splitlines()[-1])
    if problem is not None:
        raise DataError(problem)


def _ended(code: int, seconds: int) -> str:
    match -code:
        case signal.SIGXCPU:
            return f"two batches take more than {seconds} s of a processor"
        case signal.SIGKILL:
            return "trying it out needs more memory than there is"
        case _:
            return f"onnxruntime crashes when it is tried out (exit code {code})"


def problem_of(data: bytes, card: Card, where: str) -> str | None:
    """What is wrong with the file; None when nothing is."""
    try:
        session = open_session(fitted(open_model(data, where), card, where), 1, None, where)
        with onnx_errors(where):
            return _of_scores(session, card, where)
    except InferenceError as error:
        return str(error)
    except MemoryError:
        return f"{where}: trying it out needs more memory than there is; take a smaller --batch"


def _of_scores(session: Any, card: Card, where: str) -> str | None:
    (taken,) = session.get_inputs()
    kind = np.float16 if taken.type == "tensor(float16)" else np.float32
    noise = np.random.default_rng(0).random(taken.shape).astype(kind)
    alone = np.zeros_like(noise)
    alone[-1] = noise[0]
    first, other = (_run(session, batch) for batch in (noise, alone))
    if first.shape != output_shape(card):
        return f"{where}: gives {dimensions(first.shape)}, the card says {dimensions(output_shape(card))}"
    if not (np.isfinite(first).all() and np.isfinite(other).all()):
        return f"{where}: noise gives values that are not finite; this file is of no use"
    largest = max(1.0, float(np.abs(first).max()))
    if np.abs(first[0] - other[-1]).max() > NEIGHBOURS_CHANGE * largest:
        return f"{where}: what an image gives depends on the others of its batch; export it in evaluation mode"
    if card.output.activation != "none":
        return None
    low, high = float(first.min()), float(first.max())
    if low < -SHARES_MISS or high > 1 + SHARES_MISS:
        return f"{where}: gives {low:.3g} to {high:.3g}, not scores from 0 to 1; say which --activation follows"
    if card.output.kind == "multiclass" and np.abs(first.sum(1) - 1).max() > SHARES_MISS:
        return (
            f"{where}: the scores of an input's classes do not add up to 1; its softmax has to be that of axis 1 alone"
        )
    return None


def _run(session: Any, batch: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    (values,) = session.run(None, {session.get_inputs()[0].name: batch})
    return np.asarray(values, np.float32)


def _main() -> None:
    task = json.loads(sys.stdin.buffer.readline())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = (resource.RLIMIT_DATA, memory), (resource.RLIMIT_CPU, task["seconds"]), (resource.RLIMIT_CORE, 0)
    for limit, value in limits:
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    problem = problem_of(sys.stdin.buffer.read(), Card.model_validate(task["card"]), task["where"])
    sys.stdout.write(f"{json.dumps(problem)}\n")


if __name__ == "__main__":
    _main()
