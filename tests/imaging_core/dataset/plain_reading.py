"""A second reading of dataset files to compare ours with: PyYAML's composer and ECVL's rules, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

NULLS = {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True)
class PlainReading:
    """What a dataset file says. Values are texts, and None where absent."""

    name: str
    description: str
    classes: tuple[str, ...]
    features: tuple[str, ...]
    locations: list[tuple[str, ...]]
    labels: list[tuple[int, ...] | str | None]
    values: list[tuple[str | None, ...]]
    split: dict[str, list[int]]


def read_plainly(text: str) -> PlainReading:
    """Read a dataset file; any exception when it is not one."""
    top = keys(yaml.compose(text, Loader=yaml.CSafeLoader))
    classes, features = (tuple(map(scalar, items(top[key]))) if key in top else () for key in ("classes", "features"))
    maps = [keys(each) if isinstance(each, yaml.MappingNode) else {"location": each} for each in items(top["images"])]
    splits = keys(top["split"]) if "split" in top and not is_null(top["split"]) else {}
    return PlainReading(
        name=scalar(top["name"]) if "name" in top and not is_null(top["name"]) else "",
        description=scalar(top["description"]) if "description" in top and not is_null(top["description"]) else "",
        classes=classes,
        features=features,
        locations=[tuple(map(scalar, one_or_many(each["location"]))) for each in maps],
        labels=[label(each.get("label"), classes) for each in maps],
        values=[values(each.get("values"), features) for each in maps],
        split={name: [int(scalar(index)) for index in items(node)] for name, node in splits.items()},
    )


def label(node: Any, classes: Sequence[str]) -> tuple[int, ...] | str | None:
    if node is None or is_null(node):
        return None
    found = []
    for each in one_or_many(node):
        text = scalar(each)
        if text in classes:
            found.append(classes.index(text))
        elif text.isdecimal():
            found.append(int(text))
        else:
            assert isinstance(node, yaml.ScalarNode)
            return text
    return tuple(sorted(set(found)))


def values(node: Any, features: Sequence[str]) -> tuple[str | None, ...]:
    if node is None or is_null(node):
        return (None,) * len(features)
    named: Mapping[str, Any] = (
        keys(node) if isinstance(node, yaml.MappingNode) else dict(zip(features, items(node), strict=False))
    )
    nodes = [named.get(feature) for feature in features]
    return tuple(None if each is None or is_null(each) else scalar(each) for each in nodes)


def is_null(node: Any) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def scalar(node: Any) -> str:
    assert isinstance(node, yaml.ScalarNode)
    return str(node.value)


def items(node: Any) -> list[Any]:
    if is_null(node):
        return []
    assert isinstance(node, yaml.SequenceNode)
    return list(node.value)


def one_or_many(node: Any) -> list[Any]:
    return [node] if isinstance(node, yaml.ScalarNode) else items(node)


def keys(node: Any) -> dict[str, Any]:
    assert isinstance(node, yaml.MappingNode)
    found = {scalar(key): value for key, value in node.value}
    assert len(found) == len(node.value)
    return found


def same_value(ours: Any, written: str | None) -> bool:
    """Whether a typed value says what is written."""
    if ours is None or written is None:
        return ours is None and (written is None or written in NULLS)
    if isinstance(ours, bool):
        return written.lower() == str(ours).lower()
    return bool(type(ours)(written) == ours)
