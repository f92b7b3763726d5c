"""The options from which ``bundle pack`` and ``train`` make a model card. Torch-free."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from imaging_core.errors import DataError, UsageError
from imaging_core.models.card import UNPACKED, Card, make_card
from steps.command import positive


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Which network, and what it sees."""
    network = parser.add_argument_group("the network")
    network.add_argument(
        "--architecture", required=True, metavar="NAME", help="as `python -m steps.bundle list` names it; pack: or onnx"
    )
    network.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=name_and_value,
        metavar="NAME=VALUE",
        help="of the architecture itself, such as width=16; may be given several times",
    )
    network.add_argument("--batch", type=positive, default=16, help="images in a batch, always as many (default: 16)")
    network.add_argument(
        "--precision", default="fp32", choices=["fp32", "tf32", "bf16", "fp16"], help="on a GPU (default: fp32)"
    )
    network.add_argument("--name", help="of the model (default: the architecture's)")
    network.add_argument("--description", default="", help="one sentence for whoever finds the bundle")

    seen = parser.add_argument_group("what it sees")
    seen.add_argument(
        "--input-size",
        required=True,
        type=sides,
        metavar="HxW",
        help="height and width, such as 224x224; depth, height and width (64x128x128) of a model that sees volumes",
    )
    seen.add_argument(
        "--channels", required=True, type=positive, help="1 reads images as grey, 3 as RGB, another number as planes"
    )
    seen.add_argument(
        "--scaling",
        type=number_or_word,
        default="unit",
        help="unit divides by the largest value of the image's type, none leaves values as they are, "
        "a number divides by it (default: unit)",
    )
    seen.add_argument(
        "--clip",
        type=numbers,
        metavar="LOW,HIGH",
        help="limits values before scaling; unit then spreads them over 0 to 1",
    )
    seen.add_argument("--mean", type=numbers, metavar="M,M,…", help="subtracted after scaling, one value per channel")
    seen.add_argument("--std", type=numbers, metavar="S,S,…", help="divided by after that, one value per channel")
    seen.add_argument(
        "--processing",
        type=processing,
        default=(),
        metavar="FILE",
        help="a YAML file that lists operators which images go through before they are resized, such as "
        "`- {operator: clahe, clip: 2}`; see docs/operators.md",
    )
    seen.add_argument(
        "--resize",
        default="bilinear",
        choices=["nearest", "bilinear", "bicubic", "area"],
        help="how images come to the input size (default: bilinear)",
    )
    seen.add_argument(
        "--decode",
        default="full",
        choices=["full", "reduced"],
        help="reduced decodes JPEGs no larger than the input needs (1/2, 1/4 or 1/8): faster, slightly other pixels",
    )
    seen.add_argument(
        "--dicom",
        default="window",
        choices=["window", "rescaled"],
        help="grey values of DICOM files: as a viewer shows them, or as the modality measured them, such as Hounsfield "
        "units (default: window)",
    )
    seen.add_argument(
        "--normalization",
        default="none",
        choices=["none", "zscore", "percentiles"],
        help="instead of --scaling, by each case's and channel's own values: to mean 0 and standard deviation 1, or "
        "from two percentiles to 0 and 1 (default: none)",
    )
    seen.add_argument("--nonzero", action="store_true", help="zscore: 0 is background, neither counted nor changed")
    seen.add_argument(
        "--percentiles", type=numbers, default=(0.5, 99.5), metavar="LOW,HIGH", help="the two (default: 0.5,99.5)"
    )
    seen.add_argument(
        "--nan",
        default="fail",
        choices=["fail", "zero"],
        help="what becomes of NaN, as research volumes have it around the brain: the case fails, or it is read as 0 "
        "(default: fail)",
    )
    seen.add_argument("--antialias", action="store_true", help="low-pass before shrinking (bilinear, bicubic)")
    seen.add_argument(
        "--orientation",
        default="RAS",
        metavar="XYZ",
        help="of volumes, where columns, rows and slices ascend to: RAS and LPS are axial slices, RSA coronal, "
        "ASR sagittal (default: RAS)",
    )
    seen.add_argument(
        "--spacing",
        type=numbers,
        metavar="S,R,C",
        help="of three-dimensional models: mm between slices, rows and columns, to which volumes are resampled "
        "(default: as they are)",
    )
    seen.add_argument(
        "--overlap",
        type=float,
        default=0.25,
        help="of neighbouring patches and tiles along each side, 0 to 0.9 (default: 0.25)",
    )
    _add_slide_options(parser)


def _add_slide_options(parser: argparse.ArgumentParser) -> None:
    slides = parser.add_argument_group("how it sees whole slides")
    slides.add_argument(
        "--mpp",
        type=number_or_word,
        help="micrometres per pixel of the tiles that it sees, such as 0.5; none for slides that do not say theirs: "
        "--level is seen as it is (default: slides are images like others)",
    )
    slides.add_argument(
        "--mpp-tolerance",
        type=float,
        default=0.1,
        metavar="PART",
        help="levels that differ from --mpp by no more than this part of it are seen as they are (default: 0.1)",
    )
    slides.add_argument("--level", type=whole, default=0, help="with --mpp none; 0 is the finest (default: 0)")
    slides.add_argument(
        "--tissue",
        default="otsu",
        choices=["otsu", "off"],
        help="otsu leaves out tiles without tissue, found by their saturation (default: otsu)",
    )
    slides.add_argument(
        "--slide-score",
        type=count_or_word,
        default="mean",
        metavar="RULE",
        help="of classification, what a slide's scores are of those of its tiles: their mean, max, or a number k, the "
        "mean of the k largest (default: mean)",
    )


def add_kind_option(parser: argparse._ActionsContainer, **kwargs: Any) -> None:
    """``--kind``, with what the caller adds to it."""
    meaning = "binary: one score; multiclass: exactly one class is right; multilabel: any number is right"
    default = kwargs.pop("default_text", "")
    parser.add_argument("--kind", choices=["binary", "multiclass", "multilabel"], help=meaning + default, **kwargs)


def draft_card(options: argparse.Namespace, task: str, output: dict[str, Any]) -> Card:
    """The card that the options describe, its weights still :data:`UNPACKED`.

    Args:
        options: what :func:`add_network_options` parsed.
        task: classification or segmentation.
        output: the card's entries of that name; ``activation`` may be left out.

    Raises:
        UsageError: with every problem.
    """
    *depth, height, width = options.input_size
    activation = output.get("activation") or ("softmax" if output["kind"] == "multiclass" else "sigmoid")
    values: dict[str, Any] = {
        "name": options.name or options.architecture,
        "description": options.description,
        "task": task,
        "architecture": {"name": options.architecture, "parameters": dict(options.parameter)},
        "input": {
            "depth": depth[0] if depth else None,
            "height": height,
            "width": width,
            "channels": options.channels,
            "scaling": options.scaling,
            "clip": options.clip,
            "mean": options.mean,
            "std": options.std,
            "resize": options.resize,
            "antialias": options.antialias,
            "decode": options.decode,
            "dicom": options.dicom,
            "normalization": options.normalization,
            "nonzero": options.nonzero,
            "percentiles": options.percentiles,
            "nan": options.nan,
            "orientation": options.orientation,
            "spacing": options.spacing,
            "overlap": options.overlap,
            "processing": options.processing,
            "mpp": options.mpp,
            "mpp_tolerance": options.mpp_tolerance,
            "level": options.level,
            "tissue": options.tissue,
        },
        "batch": options.batch,
        "output": output | {"activation": activation, "slide": options.slide_score},
        "precision": options.precision,
        "weights": UNPACKED.model_dump(),
    }
    with usage_errors():
        return make_card(values, "options, as entries of the model card")


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turns what is wrong with a card that options describe into a UsageError."""
    try:
        yield
    except DataError as error:
        raise UsageError(str(error)) from error


def sides(text: str) -> tuple[int, ...]:
    """``"192x256"`` gives (192, 256), ``"64x128x128"`` (64, 128, 128); argparse shows the error of anything else."""
    parts = text.split("x")
    if len(parts) not in (2, 3):
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH, such as 224x224, or DEPTHxHEIGHTxWIDTH")
    return tuple(positive(part) for part in parts)


def names(text: str) -> tuple[str, ...]:
    """``"cat, dog"`` gives ("cat", "dog"); an empty text, as a form's empty field is, gives none."""
    return tuple(name.strip() for name in text.split(",")) if text.strip() else ()


def numbers(text: str) -> tuple[float, ...]:
    """``"0.5,0.4"`` gives (0.5, 0.4); argparse shows the error of anything else."""
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers, such as 0.485,0.456,0.406") from None


def processing(path: str) -> Any:
    """What a YAML file says; argparse shows the error of one that cannot be read."""
    try:
        return yaml.safe_load(Path(path).read_bytes()) or ()
    except (OSError, yaml.YAMLError) as error:
        raise argparse.ArgumentTypeError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def whole(text: str) -> int:
    """An integer from 0 to 2**63 - 1; argparse shows the error of anything else."""
    if not (text.isascii() and text.isdigit() and int(text) < 2**63):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def number_or_word(text: str) -> float | str:
    """``"65535"`` gives 65535.0, a word stays."""
    try:
        return float(text)
    except ValueError:
        return text


def count_or_word(text: str) -> int | str:
    """``"10"`` gives 10, a word stays."""
    return int(text) if text.isascii() and text.isdigit() else text


def name_and_value(text: str) -> tuple[str, int | float | str | bool]:
    """``"width=16"`` gives ("width", 16); numbers, true and false are read as YAML reads them."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as width=16")
    try:
        read = yaml.safe_load(value)
    except yaml.YAMLError:
        read = value
    return name, read if isinstance(read, int | float | str | bool) else value
