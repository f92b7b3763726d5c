"""The samples of a dataset in columns."""

from collections.abc import Iterator, Sequence
from typing import overload

from imaging_core.dataset.document import Texts, Value
from imaging_core.dataset.labels import Label
from imaging_core.dataset.sample import Sample


class Samples(Sequence[Sample]):
    """The samples of a dataset, kept in columns: a million of them fit where a million objects would not."""

    def __init__(
        self,
        locations: Sequence[Texts],
        labels: Sequence[Label],
        values: Sequence[tuple[Value, ...]] | None = None,
    ) -> None:
        self.locations = locations
        self.labels = labels
        self.values = values

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Samples":
        """Any samples in columns."""
        if isinstance(samples, cls):
            return samples
        planes = [each.locations[0] if len(each.locations) == 1 else each.locations for each in samples]
        values = [each.values for each in samples]
        return cls(planes, [each.label for each in samples], values if any(values) else None)

    def __len__(self) -> int:
        return len(self.locations)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> "Samples": ...

    def __getitem__(self, index: int | slice) -> "Sample | Samples":
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        location = self.locations[index]
        return Sample(
            (location,) if isinstance(location, str) else location,
            self.labels[index],
            () if self.values is None else self.values[index],
        )

    def __iter__(self) -> Iterator[Sample]:
        return map(self.__getitem__, range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def take(self, indices: Sequence[int]) -> "Samples":
        """The samples at these indices, in their order."""
        return Samples(
            [self.locations[index] for index in indices],
            [self.labels[index] for index in indices],
            None if self.values is None else [self.values[index] for index in indices],
        )
