"""What is asked of ``split``: indices that exist, each once, and a requested split that was not trained on."""

from collections.abc import Iterable
from functools import partial

from imaging_core.dataset.document import Document, Split
from imaging_core.dataset.problems import Problems

ALL = "all"
LONGEST_NAME = 200
TRAINED_ON = ("training", "validation")


def check_split(document: Document, requested: str | None, warnings: list[str], problems: Problems) -> None:
    """Note what is wrong with the splits of a document, for someone who asks for one of them (or none)."""
    split = document.split.indices
    images = len(document.images.locations)
    for name, indices in split.items():
        if len(name) > LONGEST_NAME:
            problems.add(None, f"split.{problems.name(name)}", f"has a name of {len(name)} characters; shorten it")
        _check_indices(document.split, name, images, problems)
        if not indices and name != requested:
            warnings.append(f"split {name!r} is empty")
    if requested is None or (requested == ALL and ALL not in split):
        return
    if requested not in split:
        there = ", ".join(map(repr, split)) if len(split) <= 20 else f"{len(split)} others"
        what = f"has no {requested!r}; there are {there}" if there else "is missing; --split all takes every image"
        problems.add(None, "split", what)
    elif not split[requested]:
        problems.add(None, f"split.{requested}", "is empty; list the indices of its images")
    else:
        _check_overlap(document.split, requested, problems)


def requested_images(document: Document, requested: str | None) -> Iterable[int]:
    """The indices of the images that someone who asks for this split will read; all of them for None."""
    if requested in document.split.indices:
        return [index for index in document.split.indices[requested] if index is not None]
    return range(len(document.images.locations))


def _check_indices(split: Split, name: str, images: int, problems: Problems) -> None:
    indices = split.indices[name]
    if len(set(indices)) == len(indices) and _within(indices, images):
        return
    seen: dict[int, int] = {}
    for place, index in enumerate(indices):
        if index is None:
            continue
        if index < 0:
            what = f"{index} is negative; indices start at 0"
        elif index >= images:
            what = f"{index} is outside images, " + (
                f"whose last index is {images - 1}" if images else "which is empty"
            )
        elif seen.setdefault(index, place) != place:
            what = f"{index} is split.{problems.name(name)}[{seen[index]}] already; take one out"
        else:
            continue
        problems.add(partial(split.line, name, place), f"split.{problems.name(name)}[{place}]", what)


def _within(indices: list[int | None], images: int) -> bool:
    known = [index for index in indices if index is not None]
    return not known or (min(known) >= 0 and max(known) < images)


def _check_overlap(split: Split, requested: str, problems: Problems) -> None:
    asked = set(split.indices[requested]) - {None}
    for name in TRAINED_ON:
        shared = asked.intersection(split.indices.get(name, ())) if name != requested else set()
        if not shared:
            continue
        place = next(place for place, index in enumerate(split.indices[requested]) if index in shared)
        more = f", and so {'is 1' if len(shared) == 2 else f'are {len(shared) - 1}'} more" if len(shared) > 1 else ""
        problems.add(
            partial(split.line, requested, place),
            f"split.{requested}[{place}]",
            f"image {split.indices[requested][place]} is in split {name!r} too{more}; figures on images that a model "
            "was trained on say nothing: take them out of one of the two",
        )
