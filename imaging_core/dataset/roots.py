"""Which locations a dataset may lead to: its own folder, and what its user has allowed beside it."""

from collections.abc import Iterable
from dataclasses import dataclass

from imaging_core.store import Location


@dataclass(frozen=True, slots=True)
class Roots:
    """The folders and hosts that a dataset's images and masks may lie in.

    Attributes:
        folders: the dataset's own folder first, then those of ``--allow-root``.
        http_hosts: hosts (with their port, where one is given) of ``--allow-http``.
    """

    folders: tuple[Location, ...]
    http_hosts: tuple[str, ...] = ()

    def allows(self, location: Location) -> bool:
        """Whether a location may be read; by its text alone, so symbolic links may lead on."""
        if location.scheme in ("http", "https") and location.host in self.http_hosts:
            return True
        return any(location.is_within(folder) for folder in self.folders)

    def refusal(self, location: Location, *, show_names: bool = False) -> str:
        """What to say of a location that is not allowed: why, and the option that allows it.

        Folders can be called after patients, too: they are left out unless ``show_names``.
        """
        if location.scheme in ("http", "https"):
            return f"lies on a web server; allow it with --allow-http {location.host}"
        folder = location.parent if show_names else "FOLDER"
        return f"lies outside the dataset's folder; allow it with --allow-root {folder}"

    def relative_to(self, folder: Location) -> Iterable[str]:
        """The folders as a file in ``folder`` names them."""
        return [root.relative_to(folder) for root in self.folders]
