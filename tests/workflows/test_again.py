"""The command of a report that does a run anew is one that the command line takes, and means the same run."""

import json
import shlex
from dataclasses import replace

import pytest

from imaging_core.report.again import again
from workflows import options, pod_options
from workflows.command_line import parser
from workflows.parameters import Parameters
from workflows.pods import Pods

PLAIN = Parameters(dataset="s3://d/a set.yml", model="s3://m/unet", run="s3://r/1", shards=3, parallelism=2)
RICH = replace(
    PLAIN,
    split="all",
    allow_root=("s3://e/x", "s3://e/y"),
    allow_http=("example.org",),
    max_failed="2%",
    group_by=("sex", "age"),
    surface_distances=0.0,
    lesions=True,
    dicom_results="identified",
    device="cuda",
    price_per_hour="2.50 EUR",
    retry_failed=True,
)
PODS = Pods(
    image="registry.example.org/imaging:1",
    image_pull_secrets=("one", "two"),
    node_selector=("gpu=a100",),
    tolerations=("gpu:NoSchedule",),
    labels=("team=a b",),
    s3_endpoint="http://minio:9000",
    s3_secret="bucket",  # noqa: S106 - a name
    retry_other_node=True,
)


def words(parameters: Parameters, pods: Pods | None) -> list[str]:
    def values(settings: object) -> dict[str, object]:
        return json.loads(json.dumps({name: getattr(settings, name) for name in settings.__slots__}))

    command = again(values(parameters), {} if pods is None else values(pods), parameters.run)
    return shlex.split(command)[3:]


@pytest.mark.parametrize("parameters", [PLAIN, RICH])
def test_of_a_run_on_one_machine(parameters):
    name, *given = words(parameters, None)
    assert name == "run"
    asked = parser().parse_args([name, *given])
    expected = replace(parameters, retry_failed=False)
    assert Parameters(**{"run": parameters.run, **options.given(asked)}) == expected


@pytest.mark.parametrize("parameters", [PLAIN, RICH])
@pytest.mark.parametrize("pods", [Pods(), PODS])
def test_of_a_run_on_a_cluster_with_the_settings_of_its_pods(parameters, pods):
    name, *given = words(parameters, pods)
    assert name == "submit"
    asked = parser().parse_args([name, *given])
    assert Parameters(**options.given(asked)) == replace(parameters, run="s3://r/1-again", retry_failed=False)
    assert Pods(**pod_options.given(asked)) == pods
