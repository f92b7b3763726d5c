"""``submit --from-template``: the command line fills in the form of a WorkflowTemplate."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from imaging_core import run
from imaging_core.errors import ConfigurationError, UsageError
from tests.e2e.conftest import make_dataset, make_model
from tests.s3_server import BUCKET, running_server, used
from tests.workflows.argo_schemas import validate, write_schema
from workflows.command_line import parser
from workflows.distributed_inference import NAME
from workflows.manifest import to_yaml
from workflows.pods import Pods
from workflows.request import record_run
from workflows.submission import Submission, templated_submission
from workflows.templates.catalogue import rendered
from workflows.templates.site import Site

PODS = Pods(image="registry.example.org/imaging:1.0", s3_secret="keys")  # noqa: S106 - a name
TEMPLATES = {file: yaml.safe_load(text) for file, text in rendered(Site.of(PODS, "s3://runs")).items()}
RUN = f"s3://{BUCKET}/runs/1"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("from-template")
    make_dataset(folder / "data", range(6))
    make_model(folder / "model")
    with running_server(folder / "s3") as server, used(server):
        yield folder


def submitted(place: Path, *options: str, template: str = NAME) -> Submission:
    given = ["--dataset", f"{place}/data/cells.yml", "--upload-images", "--model", f"{place}/model", "--run", RUN]
    arguments = parser().parse_args(["submit", "--from-template", *given, *options])
    return templated_submission(arguments, TEMPLATES[f"{template}.yaml"])


def told(submission: Submission) -> dict[str, Any]:
    parameters = submission.manifest()["spec"]["arguments"]["parameters"]
    return {each["name"]: each["value"] for each in parameters}


def test_the_workflow_names_the_template_and_what_was_asked_and_nothing_else(place):
    submission = submitted(place, "--shards", "3", "--memory", "6Gi", "--device", "cuda", "--max-failed", "2%")
    manifest = submission.manifest()
    assert set(manifest["spec"]) == {"workflowTemplateRef", "arguments"}, "as templateReferencing: Strict wants it"
    assert manifest["spec"]["workflowTemplateRef"] == {"name": NAME}
    assert manifest["metadata"]["labels"] == {"app.kubernetes.io/name": NAME}, "by it list and status know it"
    data, model = submission.inputs.dataset.sha256, submission.inputs.model.sha256
    assert told(submission) == {
        "dataset": f"{RUN}/inputs/{data}/cells.yml",
        "model": f"{RUN}/inputs/{model}",
        "run": RUN,
        "runs": f"s3://{BUCKET}/runs",
        "shards": "3",
        "memory": "6Gi",
        "device": "cuda",
        "max-failed": "2%",
    }


def test_what_is_not_asked_for_is_the_templates_own(place):
    submission = submitted(place)
    assert set(told(submission)) == {"dataset", "model", "run", "runs"}
    assert submission.parameters.shards == 8, "the template's default, told to who submits"


def test_images_are_uploaded_and_the_record_is_left_to_the_templates_split(place):
    submission = submitted(place)
    assert submission.upload is not None
    submission.upload.carry_out(submission.store, lambda _: None)
    submission.record()
    assert len([key for key in submission.store.list() if key.endswith(".png")]) == 4
    assert not submission.store.exists(run.RUN)


@pytest.mark.parametrize("name", ["workflows"])
@pytest.mark.parametrize("tool", ["kubeconform"], indirect=True)
def test_the_full_crd_of_argo_accepts_it(place, tool, name, tmp_path):
    path = tmp_path / "workflow.yaml"
    path.write_text(to_yaml(submitted(place, "--shards", "3").manifest()))
    checked = validate(tool, write_schema(tmp_path, name), path)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--image", "elsewhere:1"), "--image"),
        (("--parallelism", "2"), "--parallelism"),
        (("--require", "accuracy.mean>=0.9"), "--require"),
        (("--s3-secret", "other", "--lesions"), "--lesions, --s3-secret"),
    ],
)
def test_what_the_form_does_not_ask_for_is_refused_by_name(place, options, named):
    with pytest.raises(UsageError, match=f"^{named}: WorkflowTemplate {NAME} does not ask for it; leave it out"):
        submitted(place, *options)


def test_a_template_of_another_kind_is_refused(place):
    with pytest.raises(ConfigurationError, match=r"does not ask for dataset, model; install it anew"):
        submitted(place, template=f"{NAME}-comparison")


def test_a_run_goes_on_when_the_form_is_submitted_again_with_the_same_and_with_nothing_else(place):
    first = submitted(place, "--shards", "3")
    record_run(first.store, first.parameters, first.inputs)
    try:
        again = submitted(place, "--shards", "3")
        assert told(again) == told(first)
        for options, named in ((("--shards", "2"), "--shards"), (("--split", "training"), "--split, --shards")):
            with pytest.raises(UsageError, match=rf"holds a run with another {named}; choose another --run"):
                submitted(place, *options)
    finally:
        first.store.delete(run.RUN)
