"""The provenance record of a run: ``ro-crate-metadata.json``, an RO-Crate 1.1 after the Process Run Crate profile 0.5.

RO-Crate (https://w3id.org/ro/crate/1.1) is JSON-LD with schema.org's terms, which archives as Zenodo and WorkflowHub
read; its profile for runs (https://w3id.org/ro/wfrun/process/0.5) says who ran what on what and what came out. W3C
PROV-JSON would say the same of the run, but neither describe a folder of files nor be read by those archives.

The record stays small whatever the number of cases: it holds the SHA-256 of each shard and of each shard's
``summary.json``; that holds those of the ledger's parts, and each line of a part those of its case's outputs. So every
byte is pinned, and gather reads no output again. Cases, files of the dataset and credentials do not appear in it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from imaging_core import __version__, run
from imaging_core.errors import DataError
from imaging_core.metrics.columns import SegmentationColumns
from imaging_core.metrics.merge import Merged
from imaging_core.report.timings import ShardTime
from imaging_core.store import Ahead, Location, Store
from imaging_core.store.location import FILE

CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
PROJECT = "#distributed-medical-inference"
LICENCE = "None is stated: what the owner of the dataset allows."

_MEDIA = {"json": "application/json", "csv": "text/csv", "html": "text/html", "yml": "application/yaml"}
_LOCATIONS = ("dataset", "model", "run", "cache", "allow_root", "no_regression")
"""Parameters that are locations: of web addresses the query, which may be a signature, is left out."""

Entity = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 and length in bytes of one file."""

    sha256: str
    size: int | None

    @classmethod
    def of(cls, data: bytes) -> "Digest":
        """The digest of these bytes."""
        return cls(hashlib.sha256(data).hexdigest(), len(data))


def make_crate(
    store: Store,
    merged: Merged,
    record: Mapping[str, Any],
    times: Sequence[ShardTime],
    report: Mapping[str, bytes],
    asked: Mapping[str, Any],
) -> bytes:
    """The bytes of the record.

    Args:
        store: the run.
        merged: what gather has read of it.
        record: the content of ``run.json``; empty when its steps were called by hand.
        times: of the shards.
        report: key below the run to the bytes of each file of the report.
        asked: gather's options, by which the metrics can be computed again.
    """
    if not isinstance(record.get("parameters"), dict):
        record = {}  # damaged: what is known without it is told all the same
    graph = [*_Crate(store, merged, record, {time.shard: time for time in times}, report, asked).entities()]
    return run.to_json({"@context": CONTEXT, "@graph": graph})


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record says that can be checked.

    Attributes:
        digests: key below the run to its file's digest.
        asked: gather's options.
        code: the version that gathered.
    """

    digests: Mapping[str, Digest]
    asked: Mapping[str, Any]
    code: str


def read_crate(store: Store) -> Recorded:
    """Read the record of a run.

    Raises:
        MissingError: there is none.
        DataError: it is not one of ours.
    """
    where = store.root.join(run.CRATE).for_person()
    try:
        graph = {each["@id"]: each for each in json.loads(store.get(run.CRATE))["@graph"]}
        digests = {
            unquote(name): Digest(str(each["sha256"]), int(each["contentSize"]) if "contentSize" in each else None)
            for name, each in graph.items()
            if each["@type"] == "File" and "sha256" in each and "://" not in name and not name.startswith("/")
        }
        options = [graph[each["@id"]] for each in graph["#gather"]["object"]]
        asked = {each["name"]: json.loads(each["value"]) for each in options if each["@type"] == "PropertyValue"}
        return Recorded(digests, asked, str(graph[PROJECT]["softwareVersion"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{where}: not a provenance record of this program ({error!r}); gather again") from error


@dataclass(frozen=True, slots=True)
class _Crate:
    store: Store
    merged: Merged
    record: Mapping[str, Any]
    times: Mapping[str, ShardTime]
    report: Mapping[str, bytes]
    asked: Mapping[str, Any]

    def entities(self) -> Iterator[Entity]:
        """All of the graph: the record, the run, its files, who did it, and the steps."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        files = [*self._files()]
        actions = [*self._actions(now, [each["@id"] for each in files])]
        index = self.merged.expected.index
        cases = f"{len(self.merged.state):,} images of split {index.split!r} in {len(index.shards):,} shards"
        yield _entity(run.CRATE, "CreativeWork", conformsTo={"@id": SPECIFICATION}, about={"@id": "./"})
        yield _entity(
            "./",
            "Dataset",
            name=f"Distributed inference: {index.dataset.name or 'a dataset'}",
            description=f"{cases}; merged metrics and a report. {_DIGESTS}",
            datePublished=now,
            license=LICENCE,
            conformsTo={"@id": PROFILE},
            hasPart=_ids(each for each in files),
            mentions=_ids(each for each in actions if each["@type"] == "CreateAction"),
        )
        yield _entity(PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
        yield from files
        yield from actions
        yield from self._software()

    def _files(self) -> Iterator[Entity]:
        index = self.merged.expected.index
        sizes = {each.key: each.size for each in self.store.entries(run.SHARDS)}
        if self.record:
            yield self._read(run.RUN)
        yield self._dataset()
        if self.merged.model:
            yield self._model()
        yield self._read(run.SHARD_INDEX)
        for shard in index.shards:
            key = run.shard_file(shard.id)
            yield _file(key, Digest(shard.sha256, sizes.get(key)))
        done = [run.summary(shard) for shard in index.ids if shard not in self.merged.incomplete]
        with Ahead(self.store, done) as ahead:
            for key in done:
                yield _file(key, Digest.of(ahead.get(key)), description="Lists the SHA-256 of the ledger's parts.")
        if isinstance(self.merged.columns, SegmentationColumns) and any(self.merged.columns.masks):
            yield _entity("outputs/", "Dataset", name="Masks", description=_DIGESTS)
        for key, data in self.report.items():
            yield _file(key, Digest.of(data))

    def _read(self, key: str) -> Entity:
        return _file(key, Digest.of(self.store.get(key)))

    def _dataset(self) -> Entity:
        facts = self.merged.expected.index.dataset
        return self._input("dataset", sha256=facts.sha256, name=facts.name or "dataset", encodingFormat=_MEDIA["yml"])

    def _model(self) -> Entity:
        model = self.merged.model
        assert model is not None  # noqa: S101 - asked before
        words = f"Model card, which holds the SHA-256 of the weights. Architecture {model.card.architecture.name}."
        return self._input("model", sha256=model.model, name=model.card.name, description=words)

    def _input(self, kind: str, **values: Any) -> Entity:
        """The dataset's file, or the card of the model; by its location where that is known."""
        where = self.record.get("parameters", {}).get(kind)
        if where is None:
            return _entity(f"#{kind}", "CreativeWork", **values)
        location = Location.parse(str(where))
        return _entity(self._uri(location if kind == "dataset" else location.join("model.yaml")), "File", **values)

    def _uri(self, location: Location) -> str:
        if location.is_within(self.store.root):
            return quote(location.relative_to(self.store.root))
        if location.scheme == FILE:
            return Path(location.path).as_uri()
        return f"{location.scheme}://{location.host}{quote(location.path)}"

    def _actions(self, now: str, files: Sequence[str]) -> Iterator[Entity]:
        """The run as a whole and each of its steps, with what they were asked."""
        inputs = [self._dataset(), *([self._model()] if self.merged.model else [])]
        parameters = [*_values("parameter", self._parameters())]
        words = f"User on {self.record['host']}" if "host" in self.record else None
        agent = _entity("#agent", "Person", name=str(self.record.get("user") or "unknown"), description=words)
        begun = str(self.record["created"]) if "created" in self.record else None
        reported = [quote(key) for key in self.report]
        shards = self.merged.expected.index.ids
        images = [*self._images()]
        yield agent
        yield from parameters
        yield from images
        by: Entity = {"agent": {"@id": "#agent"}}
        yield _action("run", PROJECT, [*inputs, *parameters], reported, **by, startTime=begun, endTime=now)
        split = [quote(key) for key in (run.SHARD_INDEX, *map(run.shard_file, shards))]
        yield _action("split", "#steps.split_yaml", inputs[:1], split, **by)
        classes = [*_values("compute-class", dict(enumerate(self.merged.compute_classes)))]
        yield from classes
        for shard in shards:
            if shard not in self.merged.incomplete:
                time = self.times.get(shard)
                yield _action(
                    f"infer-{shard}",
                    "#steps.infer",
                    [{"@id": run.shard_file(shard)}, *inputs[1:]],
                    [run.summary(shard), *(["outputs/"] if "outputs/" in files else [])],
                    **by,
                    startTime=time and time.started.isoformat(),
                    endTime=time and time.ended.isoformat(),
                    environment=_ids(classes) or None,
                    containerImage=_ids(images) or None,
                )
        asked = [*_values("gather", self.asked)]
        yield from asked
        summaries = [{"@id": name} for name in files if name.endswith("/summary.json")]
        yield _action("gather", "#steps.gather", [*summaries, *asked], reported, **by, endTime=now)

    def _parameters(self) -> dict[str, Any]:
        values = dict(self.record.get("parameters", {}))
        for name in _LOCATIONS:
            if isinstance(values.get(name), str):
                values[name] = Location.parse(values[name]).shown
            elif isinstance(values.get(name), list):
                values[name] = [Location.parse(each).shown for each in values[name]]
        return {name: value for name, value in values.items() if value not in (None, [], False)}

    def _images(self) -> Iterator[Entity]:
        """The container images, by their names as they were asked for and by their digests as pods knew them."""
        named = (self.record.get("pods") or {}).get("image")
        digests = sorted({str(each.get("image")) for each in self.merged.compute_classes} - {"none", "None"})
        if named:
            yield _entity("#image", "ContainerImage", name=str(named))
        for digest in digests:
            yield _entity(
                f"#image-{digest[-12:]}", "ContainerImage", name="infer", sha256=digest.removeprefix("sha256:")
            )

    def _software(self) -> Iterator[Entity]:
        name = "Distributed medical inference"
        versions = {"steps.infer": ", ".join(self.merged.codes) or __version__}
        yield _entity(PROJECT, "SoftwareApplication", name=name, softwareVersion=__version__)
        for step in ("steps.split_yaml", "steps.infer", "steps.gather"):
            version = versions.get(step, __version__)
            yield _entity(f"#{step}", "SoftwareApplication", name=step, softwareVersion=version)


_DIGESTS = (
    "The SHA-256 of each output is in the ledger (results/<shard>/cases), those of the ledger's parts are in "
    "results/<shard>/summary.json, and those of the summaries are here."
)


def _entity(at: str, kind: str, **values: Any) -> Entity:
    return {"@id": at, "@type": kind, **{key: value for key, value in values.items() if value is not None}}


def _file(key: str, digest: Digest, **values: Any) -> Entity:
    media = _MEDIA.get(key.rpartition(".")[2])
    size = None if digest.size is None else str(digest.size)
    return _entity(quote(key), "File", name=key, sha256=digest.sha256, contentSize=size, encodingFormat=media, **values)


def _values(kind: str, values: Mapping[Any, Any]) -> Iterator[Entity]:
    for name, value in values.items():
        text = json.dumps(value, sort_keys=True, ensure_ascii=False)
        yield _entity(f"#{kind}-{name}", "PropertyValue", name=str(name), value=text)


def _action(at: str, instrument: str, taken: Sequence[Entity], made: Sequence[str], **values: Any) -> Entity:
    results = [{"@id": each} for each in made]
    words = {"name": at.replace("-", " "), "instrument": {"@id": instrument}, "object": _ids(taken)}
    return _entity(f"#{at}", "CreateAction", **words, result=results, **values)


def _ids(entities: Any) -> list[dict[str, str]]:
    return [{"@id": each["@id"]} for each in entities]
