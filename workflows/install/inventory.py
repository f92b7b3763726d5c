"""What a namespace remembers of its installation: a ConfigMap."""

import json
from dataclasses import asdict, dataclass

from imaging_core import __version__
from workflows.install.answers import Answers
from workflows.install.objects import Object, Objects, Reference
from workflows.install.render import LABEL, MANAGER


@dataclass(frozen=True, slots=True)
class Inventory:
    """Which version, with which answers, made which objects."""

    version: str
    answers: Answers
    objects: tuple[Reference, ...]


def reference(namespace: str) -> Reference:
    """Of the ConfigMap."""
    return Reference("v1", "ConfigMap", namespace, MANAGER)


def read(objects: Objects) -> Inventory | None:
    """What is remembered; None where nothing is installed."""
    found = objects.get(reference(objects.api.namespace))
    if found is None:
        return None
    data = found["data"]
    references = tuple(Reference(**each) for each in json.loads(data["objects"]))
    return Inventory(data["version"], Answers.remembered(json.loads(data["answers"])), references)


def write(objects: Objects, answers: Answers, made: list[Reference]) -> None:
    """Remember it."""
    manifest: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": MANAGER, "namespace": objects.api.namespace, "labels": {LABEL: MANAGER}},
        "data": {
            "version": __version__,
            "answers": json.dumps(answers.to_json(), sort_keys=True),
            "objects": json.dumps([asdict(each) for each in made]),
        },
    }
    objects.apply(manifest, dry_run=False, force=True)
