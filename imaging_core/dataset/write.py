"""Writes dataset files that ECVL, any YAML reader and our own read back to the same samples."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence

from imaging_core.dataset.document import Texts, Value
from imaging_core.dataset.labels import Label
from imaging_core.dataset.sample import Dataset
from imaging_core.dataset.samples import Samples

_PLAIN = re.compile(r"[A-Za-z0-9_/.(][A-Za-z0-9_/.()+%@=, -]*[A-Za-z0-9_/.)]|[A-Za-z]")
_READ_AS_ELSE = re.compile(
    r"[-+.0-9][-+.0-9_eExXoOa-fA-F:]*|[-+]?\.?(nan|inf)|[yn]|yes|no|on|off|true|false|null|~|\.\.\.", re.IGNORECASE
)
_PATH = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./\n"
_ONLY_AN_INDEX = re.compile(r"[-+]?[0-9]+")


def write_dataset(dataset: Dataset, extra: Mapping[str, Value]) -> bytes:
    """The dataset as a DTD file; the same dataset gives the same bytes.

    Args:
        dataset: what to write, its samples' locations as they are.
        extra: further top-level keys, which ECVL ignores, before ``images``.

    Raises:
        ValueError: a sample cannot be written so that it is read back: its mask's path is a number or a class, a
            value is not finite, a location is empty.
    """
    parts = [f"name: {_scalar(dataset.name)}\n", f"description: {_scalar(dataset.description)}\n"]
    parts += [f"{key}: {_value(value)}\n" for key, value in extra.items()]
    if dataset.classes:
        parts.append(f"classes: {_list(dataset.classes)}\n")
    if dataset.features:
        parts.append(f"features: {_list(dataset.features)}\n")
    if dataset.source is not None:
        indices = ", ".join(map(str, dataset.source.indices))
        parts.append(
            f"source:\n  sha256: {_scalar(dataset.source.sha256)}\n  images: {dataset.source.images}\n"
            f"  indices: [{indices}]\n"
        )
        if dataset.source.split is not None:
            parts.append(f"  split: {_scalar(dataset.source.split)}\n")
    parts.append("images:\n")
    parts += _images(Samples.of(dataset.samples), dataset.classes)
    if dataset.split:
        parts.append("split:\n")
        for name, indices_of in dataset.split.items():
            parts.append(f"  {_scalar(name)}: [{', '.join(map(str, indices_of))}]\n")
    return "".join(parts).encode()


def _images(samples: Samples, classes: Sequence[str]) -> list[str]:
    locations = _locations(samples.locations)
    labels = _labels(samples.labels, classes)
    if samples.values is None:
        return [f"  - location: {each}\n{label}" for each, label in zip(locations, labels, strict=True)]
    rows = map(_row, samples.values)
    return [f"  - location: {each}\n{label}{row}" for each, label, row in zip(locations, labels, rows, strict=True)]


def _locations(locations: Sequence[Texts]) -> Sequence[str]:
    if _are_paths(locations):
        return locations  # type: ignore[return-value]
    return [_scalar(_filled(each)) if isinstance(each, str) else _list(map(_filled, each)) for each in locations]


def _filled(location: str) -> str:
    if not location:
        raise ValueError("a location is empty")
    return location


def _labels(labels: Sequence[Label], classes: Sequence[str]) -> list[str]:
    """The line of each label, empty without one."""
    if _are_paths(labels) and not set(classes).intersection(labels):
        return [f"    label: {label}\n" for label in labels]
    known: dict[Label, str] = {None: ""}
    for label in labels:
        if label not in known:
            known[label] = f"    label: {_label(label, classes)}\n"
    return [known[label] for label in labels]


def _label(label: Label, classes: Sequence[str]) -> str:
    if isinstance(label, str):
        if not label or label in classes or _ONLY_AN_INDEX.fullmatch(label):
            raise ValueError(f"{label!r} cannot be the path of a mask: it is read as a class")
        return _scalar(label)
    if not label:
        raise ValueError("a label names no class; it is None without ground truth")
    return str(label[0]) if len(label) == 1 else f"[{', '.join(map(str, label))}]"


def _row(values: Sequence[Value]) -> str:
    if all(value is None for value in values):
        return ""
    return f"    values: [{', '.join(map(_value, values))}]\n"


def _are_paths(texts: Sequence[object]) -> bool:
    """Whether all are paths with a folder, of letters, digits, ``_`` and ``.``: nothing that needs quotes."""
    if set(map(type, texts)) != {str}:
        return False
    joined = "\n".join(texts)  # type: ignore[arg-type]
    return (
        joined.isascii()
        and not joined.encode().translate(None, _PATH)
        and joined.count("\n") == len(texts) - 1
        and all("/" in text for text in texts)  # type: ignore[operator]
    )


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(_scalar(text, in_list=True) for text in texts)}]"


def _scalar(text: str, *, in_list: bool = False) -> str:
    if _PLAIN.fullmatch(text) and not _READ_AS_ELSE.fullmatch(text) and not (in_list and "," in text):
        return text
    if text.isprintable() and "'" not in text:
        return f"'{text}'"
    return _escaped(text)


def _escaped(text: str) -> str:
    """A double-quoted scalar; JSON's escapes are YAML's, but for surrogate pairs, which stay as characters here."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escape(ord(c)) for c in quoted)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _value(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _scalar(value, in_list=True)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} cannot be written to a dataset file")
    text = repr(value)
    return text if "e" not in text or "." in text else text.replace("e", ".0e")
