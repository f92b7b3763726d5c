"""``run.json``: what was asked, written before anything else, so that a run can be understood and resumed."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from imaging_core import run
from imaging_core.errors import DataError
from imaging_core.record import FORMAT, Circumstances, record_json
from imaging_core.store.base import Store
from workflows.parameters import Parameters, checked_fields
from workflows.pods import Pods


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it was begun.

    Attributes:
        begun: when, where, by whom and with which versions.
        dataset: SHA-256 of the dataset file's bytes.
        model: SHA-256 of the model card's bytes; empty when the run makes its model itself.
        pods: how its pods run; None for a run that began on this machine.
    """

    begun: Circumstances
    parameters: Parameters
    dataset: str
    model: str
    pods: Pods | None = None

    @classmethod
    def now(cls, parameters: Parameters, dataset: str, model: str, pods: Pods | None = None) -> "RunRecord":
        """The record of a run that begins now, on this machine."""
        return cls(Circumstances.now(), parameters, dataset, model, pods)

    def write(self, store: Store) -> None:
        """Put it below the run's prefix."""
        store.put(run.RUN, self._to_json())

    def is_written(self, store: Store) -> bool:
        """Whether the run's record is this one, not that of another run which began at the same moment."""
        return store.get(run.RUN) == self._to_json()

    def _to_json(self) -> bytes:
        pods = None if self.pods is None else asdict(self.pods)
        return record_json(self.begun, self.parameters.to_json(), self.dataset, self.model, pods)


def read_record(store: Store) -> RunRecord:
    """The record of a run.

    Raises:
        MissingError: there is none.
        DataError: it is not one that this version can read.
    """
    where = str(store.root.join(run.RUN))
    try:
        value: dict[str, Any] = json.loads(store.get(run.RUN))
        if value["format"] != FORMAT:
            raise DataError(f"{where}: format {value['format']} is not {FORMAT}; use the version that began the run")
        parameters = Parameters.from_json(value["parameters"], where)
        digests = value["digests"]
        user = str(value.get("user", ""))
        begun = Circumstances(str(value["created"]), dict(value["versions"]), str(value["host"]), user)
        pods = Pods(**checked_fields(Pods, value["pods"], f"{where}: pods")) if "pods" in value else None
        dataset, model = str(digests["dataset"]), str(digests["model"])
        return RunRecord(begun, parameters, dataset, model, pods)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{where}: not the record of a run ({type(error).__name__}: {error})") from error
