"""The checks that Hera leaves out."""

import pytest
from hera.workflows import DAG, Container, Workflow
from hera.workflows.models import Backoff

from workflows.manifest import ManifestError, model, to_manifest


def workflow(*names: str, entrypoint: str = "main") -> Workflow:
    steps = [Container(name=name, image="i", command=["true"]) for name in names]
    return Workflow(generate_name="x-", entrypoint=entrypoint, templates=[DAG(name="main"), *steps])


def test_a_field_that_hera_would_drop_is_an_error():
    assert Backoff(durationn="5s").duration is None  # the pitfall
    with pytest.raises(ManifestError, match=r"Backoff has no field durationn; known: .*duration"):
        model(Backoff, durationn="5s")


def test_a_field_may_be_given_by_its_python_or_by_its_kubernetes_name():
    assert model(Backoff, max_duration="1m") == model(Backoff, maxDuration="1m")


def test_two_templates_of_one_name_are_an_error():
    with pytest.raises(ManifestError, match="two templates are named infer"):
        to_manifest(workflow("infer", "infer"))


def test_an_entrypoint_that_is_not_there_is_an_error():
    with pytest.raises(ManifestError, match="entrypoint 'mian' is not a template"):
        to_manifest(workflow("infer", entrypoint="mian"))
