"""Train a network on one split of a dataset, stop on another, and write a model bundle with its learning curves.

The split "test" is never read. The same options on the same CPU give the same bytes.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence

from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.roots import Roots
from imaging_core.dataset.sample import Dataset
from imaging_core.errors import EXIT_DONE, UsageError
from imaging_core.store import Location
from imaging_core.training.splits import TEST, Material, answer, choose_splits
from steps.card_options import add_kind_option, add_network_options, draft_card, names, numbers, usage_errors, whole
from steps.command import positive, run_step

EXAMPLES = """examples:
  python -m steps.train --dataset digits/digits.yml --architecture lenet5 --input-size 32x32 --channels 1 --out lenet5
  python -m steps.train --dataset isic/isic.yml --architecture unet --parameter width=32 --input-size 192x192 \\
      --channels 3 --classes lesion --shift 16 --out bundles/unet
"""


def main(arguments: Sequence[str] | None) -> int:
    """Train one bundle."""
    options = _parser().parse_args(arguments)
    out = Location.parse(options.out)
    dataset = read_dataset(Location.parse(options.dataset))
    for warning in dataset.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    folders = dataset.location.parent, *map(Location.parse, options.allow_root)
    roots = Roots(folders, tuple(options.allow_http))
    material = choose_splits(dataset, roots, options.training_split, options.validation_split)
    output = answer(material, options.kind, options.classes) | {"ignore": options.ignore}
    options.name = options.name or f"{options.architecture} on {_name(dataset)}"
    options.description = options.description or _description(material, options.seed)
    draft = draft_card(options, dataset.task, output)

    from imaging_core.inference.device import choose_device, fix_algorithms  # PyTorch: once the arguments are right
    from imaging_core.models import registry
    from imaging_core.training.loop import Settings
    from imaging_core.training.trainer import train_bundle

    if options.shift and draft.input.depth is not None:
        raise UsageError("--shift moves images; leave it out for a model that sees patches of volumes")
    with usage_errors():
        registry.build(draft, "options")
    fix_algorithms(options.threads_per_step, options.precision)
    device = choose_device(options.device)
    settings = Settings(
        epochs=options.epochs,
        batch=options.batch,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        patience=options.patience,
        shift=options.shift,
        seed=options.seed,
    )
    fresh = train_bundle(material, draft, settings, device, out, _say, replace=options.replace)
    where = shlex.quote(out.for_person())
    print(f"{'trained' if fresh else 'nothing to do: this training is done already;'} model bundle: {where}")
    print(f"infer with it: {_next_command(dataset, out)}")
    return EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m steps.train",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dataset", required=True, metavar="LOCATION", help="a dataset file (DTD)")
    parser.add_argument("--out", required=True, metavar="LOCATION", help="the bundle's folder")
    parser.add_argument("--replace", action="store_true", help="overwrite another bundle that lies there")
    parser.add_argument("--training-split", default="training", metavar="NAME", help="learned from (default: training)")
    parser.add_argument(
        "--validation-split",
        default="validation",
        metavar="NAME",
        help="decides when to stop and which weights are kept (default: validation)",
    )
    parser.add_argument(
        "--allow-root",
        action="append",
        default=[],
        metavar="LOCATION",
        help="a folder outside the dataset file's own in which images or masks may lie; may be repeated",
    )
    parser.add_argument(
        "--allow-http",
        action="append",
        default=[],
        metavar="HOST",
        help="a web server on which images or masks may lie; may be repeated",
    )

    how = parser.add_argument_group("how")
    how.add_argument("--epochs", type=positive, default=60, help="at most so many (default: 60)")
    how.add_argument(
        "--patience", type=positive, default=12, help="stop after so many epochs without progress (default: 12)"
    )
    how.add_argument("--learning-rate", type=_above_zero, default=0.002, help="of AdamW, at first (default: 0.002)")
    how.add_argument("--weight-decay", type=_zero_or_more, default=0.01, help="of AdamW (default: 0.01)")
    how.add_argument(
        "--shift", type=whole, default=0, metavar="PIXELS", help="shift training images at random (default: 0)"
    )
    how.add_argument("--seed", type=whole, default=0, help="of first weights, order, shifts, dropout (default: 0)")
    how.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="(default: a GPU if there is one)"
    )
    how.add_argument("--threads-per-step", type=positive, default=1, metavar="T", help="CPU threads (default: 1)")

    add_network_options(parser)
    answers = parser.add_argument_group("what it answers")
    add_kind_option(answers, default_text=" (default: what the dataset has)")
    answers.add_argument(
        "--classes", type=names, metavar="NAME,NAME,…", help="of masks (default: foreground); else the dataset says"
    )
    answers.add_argument("--ignore", type=int, metavar="VALUE", help="a value of multi-class masks that is not learned")
    return parser


def _description(material: Material, seed: int) -> str:
    training, validation = material.training, material.validation
    return (
        f"Trained on {len(training.indices)} images of {_name(material.dataset)} (split {training.name}), "
        f"stopped early on {len(validation.indices)} (split {validation.name}), seed {seed}."
    )


def _name(dataset: Dataset) -> str:
    return dataset.name or dataset.location.name


def _next_command(dataset: Dataset, out: Location) -> str:
    command = [
        *("python", "-m", "workflows.distributed_inference", "run"),
        *("--dataset", dataset.location.for_person()),
        *("--model", out.for_person()),
        *("--split", TEST if TEST in dataset.split else "all"),
        *("--shards", "4"),
    ]
    return shlex.join(command)


def _say(line: str) -> None:
    print(line, flush=True)


def _above_zero(text: str) -> float:
    number = _zero_or_more(text)
    if number == 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def _zero_or_more(text: str) -> float:
    number, *others = numbers(text)
    if others or not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number of at least 0")
    return number


if __name__ == "__main__":
    run_step(main)
