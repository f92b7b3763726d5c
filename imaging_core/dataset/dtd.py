"""Reads dataset files in the DeepHealth Toolkit format, as ECVL 1.0.3 does, but strictly.

What ECVL lets pass in silence (a class name that is not in ``classes``, an index outside ``images``, …) is an error
here, and all errors of a file are shown at once.
"""

import hashlib
from functools import partial

from imaging_core.dataset.document import Document, Value, from_tree, text_of, texts_of
from imaging_core.dataset.labels import read_labels
from imaging_core.dataset.locations import check_locations
from imaging_core.dataset.problems import Problems
from imaging_core.dataset.regular import read_regular
from imaging_core.dataset.roots import Roots
from imaging_core.dataset.sample import Dataset, ShardSource
from imaging_core.dataset.samples import Samples
from imaging_core.dataset.splits import check_split, requested_images
from imaging_core.dataset.text import to_text
from imaging_core.dataset.tree import Mapping, Node, NotReadableError, Sequence, parse
from imaging_core.errors import DataError, listing
from imaging_core.store import Location, open_source

KEYS = {"name", "description", "classes", "features", "images", "split"}
LARGEST_FILE = 512 * 1024 * 1024


def read_dataset(
    location: Location, split: str | None = None, *, roots: Roots | None = None, show_names: bool = True
) -> Dataset:
    """Read the dataset file at a location.

    Args:
        location: of the file.
        split: the split that is asked for: it must be there, hold something, and not overlap training or validation.
            ``all`` asks for every image, unless a split has this name.
        roots: where the images and masks that are asked for may lie; None leaves that to whoever opens them.
        show_names: whether errors may show file names.

    Raises:
        DataError: nothing is there, or the file is not a dataset; shows up to 20 problems with line, entry and fix.
        TemporaryError: the store may answer a retry.
        ConfigurationError: access is denied.
    """
    return parse_dataset(read_bytes(location), location, split, roots=roots, show_names=show_names)


def read_bytes(location: Location) -> bytes:
    """The bytes of a dataset file; DataError when nothing is there, or more than any dataset file has."""
    source = open_source(location)
    size = source.size()
    if size > LARGEST_FILE:
        raise DataError(
            f"{location.for_person()}: {size} bytes; a dataset file may have {LARGEST_FILE}. Is this the right file?"
        )
    return source.bytes()


def parse_dataset(
    data: bytes, location: Location, split: str | None = None, *, roots: Roots | None = None, show_names: bool = True
) -> Dataset:
    """The dataset of a file's bytes; ``location`` is where they came from. Raises as :func:`read_dataset`."""
    sha256 = hashlib.sha256(data).hexdigest()
    problems = Problems(location.for_person(), show_names)
    text = to_text(data, problems.where)
    del data
    document = _document(text, problems)
    head = document.head.items
    name = text_of(head.get("name"), "name", problems) or ""
    description = text_of(head.get("description"), "description", problems) or ""
    classes = _classes(document.head, problems)
    features = texts_of(head.get("features"), "features", problems)
    _check_unique(features, "features", head.get("features"), problems)
    warnings: list[str] = []
    labels = read_labels(document, classes, warnings, problems)
    values = _feature_values(document, features, warnings, problems)
    source = _shard_source(document, problems)
    check_split(document, split, warnings, problems)
    check_locations(document, labels, requested_images(document, split), location.parent, roots, problems)
    problems.raise_if_any()
    return Dataset(
        location=location,
        sha256=sha256,
        name=name,
        description=description,
        classes=classes,
        features=features,
        samples=Samples(document.images.locations, labels, values),
        split=document.split.indices,  # type: ignore[arg-type]  # None stands where a problem was noted
        source=source,
        warnings=tuple(warnings),
    )


def _document(text: str, problems: Problems) -> Document:
    try:
        document = read_regular(text, problems) or from_tree(parse(text, 1, problems), problems)
    except NotReadableError as error:
        place = problems.where if error.line is None else f"{problems.where}:{error.line}"
        stopped = f"{place}: {error.what}"
        if problems.count:
            stopped = f"{listing(problems.where, problems.shown, total=problems.count)}\n{stopped}"
        raise DataError(stopped) from error
    if not document.images.locations and not problems.count:
        problems.add(
            None, "images", f"is missing or empty; list the images of the dataset{_others(document, problems)}"
        )
    return document


def _others(document: Document, problems: Problems) -> str:
    """The first keys that the file does have, for someone who has mistyped one."""
    keys = [problems.quote(key) for key in document.head.items if key not in KEYS]
    return f" (found {', '.join(keys[:5])})" if keys and problems.show_names else ""


def _classes(head: Mapping, problems: Problems) -> tuple[str, ...]:
    node = head.items.get("classes")
    classes = texts_of(node, "classes", problems)
    _check_unique(classes, "classes", node, problems)
    for index, name in enumerate(classes):
        if _looks_like_index(name) and int(name) != index:
            problems.add(
                _line(node, index),
                f"classes[{index}]",
                f"{problems.name(name)!r} looks like the index of another class, so labels would be ambiguous; "
                f"call it {str(index)!r} or give it a name that is no number",
            )
    return classes


def _check_unique(names: tuple[str, ...], entry: str, node: Node | None, problems: Problems) -> None:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if name and first.setdefault(name, index) != index:
            what = f"{problems.name(name)!r} is {entry}[{first[name]}] already; take one out"
            problems.add(_line(node, index), f"{entry}[{index}]", what)


def _line(node: Node | None, index: int) -> int | None:
    return node.items[index].line if isinstance(node, Sequence) else None


def _looks_like_index(name: str) -> bool:
    digits = name[1:] if name[:1] in {"-", "+"} else name
    return digits.isascii() and digits.isdigit() and len(digits) < 1000


def _feature_values(
    document: Document, features: tuple[str, ...], warnings: list[str], problems: Problems
) -> list[tuple[Value, ...]] | None:
    written = document.images.values
    absent = (None,) * len(features)
    if not any(map(bool, written)):
        return [absent] * len(written) if features else None
    names = {name: place for place, name in enumerate(features)}
    surplus = 0
    rows: list[tuple[Value, ...]] = []
    for index, values in enumerate(written):
        if isinstance(values, dict):
            row: list[Value] = [*absent]
            for name, value in values.items():
                if name in names:
                    row[names[name]] = value
                else:
                    known = ", ".join(repr(problems.name(each)) for each in features[:10]) or "there are none"
                    what = f"{problems.quote(name)} is not in features ({known}); add it there or take it out"
                    problems.add(partial(document.images.line, index, "values"), f"images[{index}].values", what)
            rows.append(tuple(row))
        else:
            given = values or ()
            surplus += len(given) > len(features)
            rows.append(given if len(given) == len(features) else (given + absent)[: len(features)])
    if surplus:
        warnings.append(
            f"{surplus} image{'s have' if surplus > 1 else ' has'} more values than the {len(features)} "
            f"feature{'s' if len(features) != 1 else ''} named in features; the surplus was left out"
        )
    return rows if features else None


def _shard_source(document: Document, problems: Problems) -> ShardSource | None:
    node = document.head.items.get("source")
    read = document.source_indices
    wanted = {"sha256", "images"} if read is not None else {"sha256", "images", "indices"}
    if not isinstance(node, Mapping) or not wanted <= node.items.keys():
        return None
    sha256 = text_of(node.items["sha256"], "source.sha256", problems) or ""
    numbers = [text_of(node.items["images"], "source.images", problems) or ""]
    numbers += () if read is not None else texts_of(node.items["indices"], "source.indices", problems)
    if not all(number.isascii() and number.isdigit() and len(number) < 16 for number in numbers):
        problems.add(node.line, "source", "holds something that is not a whole number; split the dataset again")
        return None
    images, *found = map(int, numbers)
    indices = found if read is None else read
    if len(indices) != len(document.images.locations) or max(indices, default=-1) >= images:
        problems.add(node.line, "source.indices", "does not name one image of the dataset for each image here")
    split = text_of(node.items.get("split"), "source.split", problems)
    return ShardSource(sha256, images, tuple(indices), split)
