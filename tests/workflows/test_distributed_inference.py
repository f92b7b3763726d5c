"""The pipeline's workflow: what any engine may rely on."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from imaging_core.errors import DataError, UsageError
from workflows.distributed_inference import distributed_inference
from workflows.local import read_plan
from workflows.manifest import to_manifest
from workflows.parameters import Parameters
from workflows.pods import Pods

PROJECT = Path(__file__).parents[2]
PARAMETERS = Parameters(dataset="/d/x.yml", model="/m", run="/r", shards=3, parallelism=2)


def manifest(parameters=PARAMETERS, **options):
    return to_manifest(distributed_inference(parameters, **options))


def containers(built):
    return {each["name"]: each["container"] for each in built["spec"]["templates"] if "container" in each}


def test_gather_runs_however_the_shards_ended():
    (gather,) = (task for task in read_plan(manifest()).tasks if task.name == "gather")

    assert gather.accepts == {"infer": {"Succeeded", "Failed", "Error"}}


def test_only_infer_is_told_of_the_cache():
    built = containers(manifest(replace(PARAMETERS, cache="s3://bucket/a cache")))

    given = {name: "s3://bucket/a cache" in container["args"] for name, container in built.items()}
    assert given == {"split": False, "infer": True, "gather": False}


def test_requests_and_limits_are_the_threads_of_a_step():
    for container in containers(manifest(replace(PARAMETERS, threads_per_step=3))).values():
        resources = container["resources"]
        assert resources["requests"] == resources["limits"]
        assert resources["limits"]["cpu"] == "3"
        assert {"name": "OMP_NUM_THREADS", "value": "3"} in container["env"]


def test_parallelism_changes_nothing_but_itself():
    one, other = manifest(), manifest(replace(PARAMETERS, parallelism=7))
    assert (one["spec"].pop("parallelism"), other["spec"].pop("parallelism")) == (2, 7)

    assert one == other


def test_only_infer_has_the_image_with_torch_and_a_gpu():
    built = containers(manifest(replace(PARAMETERS, device="cuda"), pods=Pods(image="core=core-image,gpu=gpu-image")))

    assert {name: container["image"] for name, container in built.items()} == {
        "split": "core-image",
        "infer": "gpu-image",
        "gather": "core-image",
    }
    gpus = {name: container["resources"]["limits"].get("nvidia.com/gpu") for name, container in built.items()}
    assert gpus == {"split": None, "infer": "1", "gather": None}


def test_how_pods_run_changes_nothing_on_this_machine():
    settings = Pods(
        image="registry.example.org/imaging:2",
        gpus_per_step=2,
        memory="24Gi",
        node_selector=("zone=b",),
        tolerations=("spot",),
        semaphore="quota/gpu",
        retry_other_node=True,
        labels=("team=pathology",),
    )

    assert read_plan(manifest(pods=settings)) == read_plan(manifest())


def test_a_resumed_run_infers_only_what_is_missing():
    built = manifest(missing=["001"])

    assert set(containers(built)) == {"infer", "gather"}
    assert read_plan(built).tasks[0].with_param == '["001"]'


def test_a_resumed_run_without_missing_shards_only_gathers():
    assert [task.name for task in read_plan(manifest(missing=[])).tasks] == ["gather"]


@pytest.mark.parametrize("field", ["dataset", "run", "split", "allow_root"])
def test_a_value_that_argo_would_take_for_an_expression_is_refused(field):
    value = "/a/{{workflow.name}}"
    with pytest.raises(UsageError, match=f"--{field.replace('_', '-')} /a/"):
        replace(PARAMETERS, **{field: (value,) if field == "allow_root" else value})


def test_the_command_line_imports_neither_torch_nor_a_step():
    code = (
        "import sys, workflows.command_line; print(*(n for n in sys.modules if n.split('.')[0] in ('torch', 'steps')))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout

    assert printed.split() == ["steps", "steps.command"]


def test_parameters_survive_the_record_of_a_run():
    everything = replace(PARAMETERS, allow_root=("/a", "/b"), max_pixels=5, lesions=True, max_failed="2%")
    everything = replace(everything, probabilities=True, surface_distances=2.5, dicom_results="identified")

    assert Parameters.from_json(everything.to_json(), "here") == everything


def test_a_record_of_other_dicom_results_is_refused():
    with pytest.raises(DataError, match="dicom_results cannot be 'named'"):
        Parameters.from_json({**PARAMETERS.to_json(), "dicom_results": "named"}, "here")
