"""The examples for GitHub Actions, GitLab CI and Jenkins: they are what they seem, and their commands can be called."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from workflows.cluster.connection import connect
from workflows.command_line import parser
from workflows.options import given
from workflows.parameters import Parameters
from workflows.pod_options import given as pods_given
from workflows.pods import Images

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "examples/ci"
NAMES = ("github-actions.yml", "gitlab-ci.yml", "Jenkinsfile")


def scripts(name):
    """What the shell gets."""
    text = (FOLDER / name).read_text()
    if name == "Jenkinsfile":
        return [script.replace("\\\n", " ") for script in re.findall(r"sh '''(.*?)'''", text, re.DOTALL)]
    (job,) = (yaml.safe_load(text).get("jobs") or yaml.safe_load(text)).values()
    return [step["run"] for step in job.get("steps", ()) if "run" in step] + [
        *job.get("script", ()),
        *job.get("after_script", ()),
    ]


def commands(name, monkeypatch, folder):
    """The command lines of ours, as the parser reads them; variables are put in by what they are like."""
    monkeypatch.chdir(folder)
    found = []
    for line in "\n".join(scripts(name)).splitlines():
        filled = re.sub(r"\$\{\{ vars\.\w+ \}\}|\$\w+_DIGEST", f"sha256:{'0' * 64}", line)
        filled = filled.replace("$GITHUB_STEP_SUMMARY", "summary.md").replace("$RUN", "s3://runs/isic-1")
        assert "$" not in filled.partition("python -m workflows")[2]
        words = shlex.split(filled)
        if words[:3] == ["python", "-m", "workflows.distributed_inference"]:
            found.append(parser().parse_args([word for word in words[3:] if word not in ("||", "true")]))
        elif words[:2] == ["pip", "install"]:
            assert (PROJECT / words[-1]).is_file()
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_are_ones_that_there_are_and_judge_a_run_by_digests(name, monkeypatch, tmp_path):
    submit, report = commands(name, monkeypatch, tmp_path)
    parameters = Parameters(**given(submit))
    assert parameters.require == ("iou.mean>=0.77",)
    assert parameters.no_regression == "s3://runs/isic-released"
    assert submit.wait
    assert submit.junit == Path("verdict.xml")
    assert submit.markdown == Path("summary.md")
    images = Images.under(pods_given(submit)["image"])
    assert {images.core.partition("@")[0], images.gpu.partition("@")[0]} == {
        "registry.example.org/imaging/core",
        "registry.example.org/imaging/gpu",
    }
    assert report.run == "s3://runs/isic-1"


@pytest.mark.parametrize("name", NAMES)
def test_the_verdict_is_shown_and_kept_also_when_it_is_bad(name):
    text = (FOLDER / name).read_text()
    shown = {
        "github-actions.yml": ('--markdown "$GITHUB_STEP_SUMMARY"', "if: ${{ !cancelled() }}"),
        "gitlab-ci.yml": ("junit: verdict.xml", "when: always"),
        "Jenkinsfile": ("junit testResults: 'verdict.xml'", "always {"),
    }
    assert all(words in text for words in shown[name])


def test_the_pipelines_have_the_form_that_their_servers_read():
    actions = yaml.safe_load((FOLDER / "github-actions.yml").read_text())
    job = actions["jobs"]["infer"]
    assert {"runs-on", "steps"} <= job.keys()
    assert all(("uses" in step) != ("run" in step) for step in job["steps"])
    job = yaml.safe_load((FOLDER / "gitlab-ci.yml").read_text())["infer"]
    assert all(isinstance(line, str) for line in job["script"] + job["after_script"])
    texts = r"'''.*?'''|'[^']*'|\"[^\"]*\"|//[^\n]*"
    jenkins = re.sub(texts, "", (FOLDER / "Jenkinsfile").read_text(), flags=re.DOTALL)
    assert jenkins.count("{") == jenkins.count("}")
    assert [word for word in ("agent", "environment", "stages", "post") if word in jenkins] == [
        "agent",
        "environment",
        "stages",
        "post",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_an_address_of_a_server_is_one_that_is_understood(name, monkeypatch):
    for address in re.findall(r"ARGO_SERVER *[:=] *'?([^\s'$]+)", (FOLDER / name).read_text()):
        monkeypatch.setenv("ARGO_SERVER", address)
        assert connect("imaging").describe() == f"Argo Server https://{address}, namespace imaging"
