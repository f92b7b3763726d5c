"""Moves the locations of a dataset to another folder: relative inside one store, full across stores."""

import posixpath
from collections.abc import Sequence

from imaging_core.dataset.document import Texts
from imaging_core.dataset.labels import Label
from imaging_core.dataset.locations import all_simple
from imaging_core.dataset.sample import Dataset
from imaging_core.dataset.samples import Samples
from imaging_core.store import Location
from imaging_core.store.location import FILE, S3


class Relocation:
    """Rewrites the locations of a dataset for files that lie in ``folder``; they lead to the same places."""

    def __init__(self, dataset: Dataset, folder: Location) -> None:
        self._dataset = dataset
        self._folder = folder
        home = dataset.location.parent
        # The names of other stores' locations are not their texts: percent escapes come and go.
        prefixed = home.same_store(folder) and home.scheme in {FILE, S3}
        self._prefix = posixpath.join(home.relative_to(folder), "").removeprefix("./") if prefixed else None

    def samples(self, members: Sequence[int]) -> Samples:
        """The samples at ``members``, their locations as files in the folder write them."""
        chosen = Samples.of(self._dataset.samples).take(members)
        return Samples(self._moved(chosen.locations), self._moved_masks(chosen.labels), chosen.values)

    def _moved(self, locations: Sequence[Texts]) -> list[Texts]:
        if self._prefix is not None and set(map(type, locations)) == {str} and all_simple(locations):  # type: ignore[arg-type]
            return [f"{self._prefix}{text}" for text in locations]
        return [self._move(each) if isinstance(each, str) else tuple(map(self._move, each)) for each in locations]

    def _moved_masks(self, labels: Sequence[Label]) -> Sequence[Label]:
        kinds = set(map(type, labels))
        if str not in kinds:
            return labels
        if kinds == {str}:
            return self._moved(labels)  # type: ignore[arg-type, return-value]
        return [self._move(label) if isinstance(label, str) else label for label in labels]

    def _move(self, text: str) -> str:
        if self._prefix is not None and all_simple([text]):
            return self._prefix + text
        return self._dataset.resolve(text).relative_to(self._folder)
