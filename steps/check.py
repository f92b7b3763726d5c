"""Says whether a pod reaches what a run needs: ``python -m steps.check``."""

import argparse
import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from imaging_core import run
from imaging_core.dataset.dtd import read_bytes
from imaging_core.errors import EXIT_DONE, DataError, InferenceError
from imaging_core.models.card import read_bundle_card
from imaging_core.store import Location, open_store
from steps.command import location, run_step
from steps.outputs import HELP, write_outputs

DESCRIPTION = """\
Read the dataset file and the model's card, and write and remove a small object below the run: what a run does first,
where it would do it, with the credentials that it would have.
"""
EPILOG = """\
example:
  python -m steps.check --dataset s3://data/isic.yml --model s3://models/unet --run s3://runs/isic-1
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one look; no error when all is well."""

    what: str
    error: str | None
    exit_code: int


def main(arguments: Sequence[str] | None) -> int:
    """Look at everything, say what was found; the exit code is that of the first error."""
    options = _parser().parse_args(arguments)
    looks: list[tuple[str, Callable[[], None]]] = []
    if options.dataset:
        looks.append(("dataset", lambda: _dataset(options.dataset, options.dataset_sha256)))
    if options.model:
        looks.append(("model", lambda: _model(options.model, options.model_sha256)))
    looks.append(("run", lambda: _run(options.run)))
    found = [_look(what, look) for what, look in looks]
    for each in found:
        print(f"{each.what}: {'ok' if each.error is None else f'error: {each.error}'}", flush=True)
    write_outputs(options.outputs, {"found": json.dumps([asdict(each) for each in found], ensure_ascii=False)})
    return next((each.exit_code for each in found if each.error is not None), EXIT_DONE)


def _look(what: str, look: Callable[[], None]) -> Found:
    try:
        look()
    except InferenceError as error:
        return Found(what, str(error), error.exit_code)
    return Found(what, None, EXIT_DONE)


def _dataset(where: Location, expected: str | None) -> None:
    _same("dataset", where, hashlib.sha256(read_bytes(where)).hexdigest(), expected)


def _model(where: Location, expected: str | None) -> None:
    _, digest = read_bundle_card(where)
    _same("model", where, digest, expected)


def _same(what: str, where: Location, digest: str, expected: str | None) -> None:
    if expected is not None and digest != expected:
        raise DataError(
            f"{where}: the {what} here is not the one that was asked for (SHA-256 {digest[:12]}…, not "
            f"{expected[:12]}…); is this the same bucket?"
        )


def _run(where: Location) -> None:
    store = open_store(where)
    key = f"{run.CHECKS}{secrets.token_hex(8)}"
    store.put(key, b"")
    store.delete(key)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m steps.check",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--dataset", type=location, metavar="LOCATION", help="the dataset file")
    add("--dataset-sha256", metavar="DIGEST", help="what its bytes should be")
    add("--model", type=location, metavar="LOCATION", help="the model bundle's folder")
    add("--model-sha256", metavar="DIGEST", help="what its card should be")
    add("--run", required=True, type=location, metavar="LOCATION", help="the run's prefix")
    add("--outputs", type=Path, metavar="FOLDER", help=f"{HELP}: found, a JSON list")
    return parser


if __name__ == "__main__":
    run_step(main)
