"""Reading a manifest field by field, so that nothing in it is passed over in silence."""

from collections.abc import Collection, Mapping
from typing import Any

from imaging_core.errors import EXIT_CONFIGURATION, InferenceError


class UnsupportedError(InferenceError):
    """The workflow holds something that the local engine does not know, or refers to what is not there."""

    exit_code = EXIT_CONFIGURATION


def check_fields(
    where: str, value: Mapping[str, Any], known: Collection[str], required: Collection[str] = ()
) -> Mapping[str, Any]:
    """The map itself, when it has no field but the known and all of the required ones.

    Raises:
        UnsupportedError: names the place and the field.
    """
    if unknown := [name for name in value if name not in known]:
        raise UnsupportedError(f"{where}: the local engine does not know {', '.join(unknown)}")
    if absent := [name for name in required if name not in value]:
        raise UnsupportedError(f"{where}: {', '.join(absent)} is missing")
    return value


def named(where: str, items: Collection[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Items by their ``name``; UnsupportedError when one has none or two have the same."""
    by_name: dict[str, Mapping[str, Any]] = {}
    for item in items:
        name = item.get("name")
        if not isinstance(name, str):
            raise UnsupportedError(f"{where}: an entry has no name")
        if name in by_name:
            raise UnsupportedError(f"{where}: two entries are named {name}")
        by_name[name] = item
    return by_name
