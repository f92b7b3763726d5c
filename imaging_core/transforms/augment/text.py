"""ECVL's text form of augmentations.

    SequentialAugmentationContainer
        AugRotate angle=[-5,5] center=(0,0) interp="linear"
        OneOfAugmentationContainer p=0.5
            AugMirror p=0.5
            AugGammaContrast gamma=[0.5,2]
        end
    end

One augmentation a line; ``[low,high]`` is a range to draw from, ``(a,b,…)`` a vector, ``"…"`` a string, anything else a
number. Read as ECVL 1.0.3 reads it, but strict: ECVL ignores parameters that it does not know.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from imaging_core.errors import DataError
from imaging_core.transforms.augment import base, moving, values
from imaging_core.transforms.augment.base import Augmentation, Range, Vector
from imaging_core.transforms.borders import BORDERS
from imaging_core.transforms.resize import METHODS

AUGMENTATIONS: dict[str, type[Augmentation]] = {
    each.__name__: each
    for each in (
        moving.AugRotate,
        moving.AugResizeDim,
        moving.AugResizeScale,
        moving.AugFlip,
        moving.AugMirror,
        moving.AugTranspose,
        moving.AugCenterCrop,
        moving.AugRandomCrop,
        moving.AugGridDistortion,
        moving.AugElasticTransform,
        moving.AugOpticalDistortion,
        values.AugGaussianBlur,
        values.AugAdditiveLaplaceNoise,
        values.AugAdditivePoissonNoise,
        values.AugGammaContrast,
        values.AugBrightness,
        values.AugCoarseDropout,
        values.AugSalt,
        values.AugPepper,
        values.AugSaltAndPepper,
        values.AugNormalize,
        values.AugScaleTo,
        values.AugScaleFromTo,
        values.AugToFloat32,
        values.AugDivBy255,
    )
}
CONTAINERS: dict[str, type[Augmentation]] = {
    each.__name__: each for each in (base.SequentialAugmentationContainer, base.OneOfAugmentationContainer)
}

_PARAMETER = re.compile(r'\s*(?P<name>\w+)\s*=\s*(?P<value>\[[^]]*\]|\([^)]*\)|"[^"]*"|[^\s\[("]+)(?=\s|$)')
_KINDS = {Range: "a range [low,high]", Vector: "a vector (a,b,…)", float: "a number", str: 'a string "…"'}
_PAIRS = ("center", "dims", "scale", "size")
_WORDS = {"interp": METHODS, "gt_interp": METHODS, "border_type": BORDERS}

Line = tuple[int, str]


def read_augmentation(text: str, where: str) -> Augmentation:
    """The augmentation that a text in ECVL's form holds.

    Args:
        text: one augmentation, or a container with its parts and ``end``.
        where: what to call the text in errors.

    Raises:
        DataError: naming ``where``, the line, what is wrong with it and what would be right.
    """
    lines = iter([(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()])
    first = next(lines, None)
    if first is None:
        raise DataError(f"{where}: there is no augmentation in it")
    augmentation = _read(first, lines, where)
    left = next(lines, None)
    if left is not None:
        raise DataError(f"{where}: line {left[0]}: {left[1].split()[0]} stands outside; put all into one container")
    return augmentation


def _read(line: Line, lines: Iterator[Line], where: str) -> Augmentation:
    number, content = line
    name, rest = [*content.split(None, 1), ""][:2]
    at = f"{where}: line {number}: {name}"
    kind = AUGMENTATIONS.get(name) or CONTAINERS.get(name)
    if kind is None:
        raise DataError(f"{at}: no such augmentation; there are: {', '.join([*AUGMENTATIONS, *CONTAINERS])}")
    given = _parameters(kind, rest, at)
    if name in CONTAINERS:
        given["parts"] = tuple(_parts(lines, where, at))
    return kind(**given)


def _parts(lines: Iterator[Line], where: str, at: str) -> Iterator[Augmentation]:
    for count, line in enumerate(lines):
        if line[1] == "end":
            if count == 0:
                raise DataError(f"{at}: holds no augmentation")
            return
        yield _read(line, lines, where)
    raise DataError(f"{at}: has no end; close it with a line that says end")


def _parameters(kind: type[Augmentation], text: str, at: str) -> dict[str, Any]:
    hints = {name: hint for name, hint in get_type_hints(kind).items() if name != "parts"}
    known = ", ".join(map(_written, hints)) or "none"
    given: dict[str, Any] = {}
    place = 0
    while text[place:].strip():
        match = _PARAMETER.match(text, place)
        if match is None:
            raise DataError(
                f'{at}: cannot read {text[place:].strip()!r}; write name=[low,high], (a,b,…), "…" or a number'
            )
        place = match.end()
        written = match["name"]
        name = "lambda_" if written == "lambda" else written
        if name not in hints:
            raise DataError(f"{at}: {written}: no such parameter; it takes: {known}")
        if name in given:
            raise DataError(f"{at}: {written}: given twice")
        value = _value(match["value"], f"{at}: {written}")
        if not isinstance(value, hints[name]):
            wanted = " or ".join(text for each, text in _KINDS.items() if issubclass(each, hints[name]))
            raise DataError(f"{at}: {written}: {match['value']} must be {wanted}")
        if isinstance(value, Vector) and name in _PAIRS and len(value) != 2:
            raise DataError(f"{at}: {written}: {match['value']} must have two numbers, of x and of y")
        if isinstance(value, str) and value not in _WORDS[name]:
            raise DataError(f"{at}: {written}: {value!r} is none of: {', '.join(_WORDS[name])}")
        given[name] = value
    for field in fields(kind):
        if field.name in hints and field.default is MISSING and field.name not in given:
            raise DataError(f"{at}: {_written(field.name)} is missing")
    return given


def _written(name: str) -> str:
    return "lambda" if name == "lambda_" else name


def _value(text: str, at: str) -> Range | Vector | float | str:
    if text[0] == '"':
        return text[1:-1]
    if text[0] == "(":
        return Vector(_number(each, at) for each in text[1:-1].split(","))
    if text[0] != "[":
        return _number(text, at)
    ends = [_number(each, at) for each in text[1:-1].split(",")]
    if len(ends) != 2 or ends[0] > ends[1]:
        raise DataError(f"{at}: {text} must be [low,high] with low not above high")
    return Range(*ends)


def _number(text: str, at: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{at}: {text.strip()!r} is not a number")
    return number
