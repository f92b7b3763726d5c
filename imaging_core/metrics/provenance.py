"""Which model, code and compute class stand behind the records of a run."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imaging_core import run
from imaging_core.errors import DataError
from imaging_core.models.card import Card, make_card
from imaging_core.store import Store

DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Provenance:
    """One provenance file.

    Attributes:
        model: digest of the model bundle.
        card: the bundle's card.
        code: version of this package that inferred.
        compute_class: device, instruction set or GPU model, threads, precision, image, libraries.
    """

    model: str
    card: Card
    code: str
    compute_class: Mapping[str, Any]


def read_provenance(store: Store, shard: str, digest: str) -> Provenance:
    """The provenance that ledger lines of a shard call ``"by": digest``.

    Raises:
        MissingError: there is no such file.
        DataError: its content does not fit its name, or is not a provenance.
    """
    key = run.provenance(shard, digest)
    data = store.get(key)
    if hashlib.sha256(data).hexdigest()[:DIGEST_LENGTH] != digest:
        raise DataError(f"{key}: its content does not fit its name; delete {run.results(shard)} and resume the run")
    try:
        values = json.loads(data)
        return Provenance(
            model=str(values["model"]["sha256"]),
            card=make_card(values["model"]["card"], key),
            code=str(values["code"]),
            compute_class=dict(values["compute_class"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{key}: not a provenance file ({error}); was it written by another version?") from error


@dataclass(slots=True)
class Provenances:
    """The provenances that the records of a run use: many compute classes perhaps, but one model."""

    store: Store
    _by_digest: dict[str, Provenance] = field(default_factory=dict)
    _where: dict[str, str] = field(default_factory=dict)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def note(self, shard: str, digest: str, *, listed: bool) -> Provenance:
        """Take account of a digest that a shard's records name, and say what it stands for.

        Args:
            shard: the shard's id.
            digest: as in ``"by"``.
            listed: whether the file was there when the results were listed; a step may have begun since.

        Raises:
            DataError: the file is missing or unusable, or its model is not the model of the records before.
        """
        if (shard, digest) in self._seen:
            return self._by_digest[digest]
        if not listed and not self.store.exists(run.provenance(shard, digest)):
            raise DataError(
                f"{run.results(shard)}: its ledger names provenance {digest!r}, which is not there; "
                f"delete {run.results(shard)} and resume the run"
            )
        if digest not in self._by_digest:
            found = read_provenance(self.store, shard, digest)
            for other, known in self._by_digest.items():
                if known.model != found.model:
                    raise DataError(
                        f"two models in one run: shard {self._where[other]} was inferred with {known.card.name!r} "
                        f"({known.model[:DIGEST_LENGTH]}), shard {shard} with {found.card.name!r} "
                        f"({found.model[:DIGEST_LENGTH]}); infer the shards of one of them again, or begin a new run"
                    )
            self._by_digest[digest] = found
            self._where[digest] = shard
        self._seen.add((shard, digest))
        return self._by_digest[digest]

    @property
    def model(self) -> Provenance | None:
        """Any of them: they share model and card. None while nothing was inferred."""
        return next(iter(self._by_digest.values()), None)

    def compute_classes(self) -> tuple[Mapping[str, Any], ...]:
        """The distinct compute classes, in an order that depends on nothing else."""
        distinct = {run.to_json_line(each.compute_class): each.compute_class for each in self._by_digest.values()}
        return tuple(distinct[line] for line in sorted(distinct))

    def codes(self) -> tuple[str, ...]:
        """The distinct versions of the code, sorted."""
        return tuple(sorted({each.code for each in self._by_digest.values()}))
