"""Locations as a terminal can open them."""

from pathlib import Path

from imaging_core.store import Location
from imaging_core.store.location import FILE


def link(location: Location) -> str:
    """A ``file://`` link for a file of this machine, which terminals open with a click; else the location itself."""
    return Path(location.path).as_uri() if location.scheme == FILE else str(location)
