"""What check names before a submission, and what a submission without it ends with: the same words."""

import json

import pytest

from tests.cluster.conftest import POD_ENDPOINT, SECRET

APIS = ("server", "kubernetes")


@pytest.mark.parametrize("api", APIS)
def test_nothing_is_wrong_and_nothing_is_left(cluster, digits, api):
    said = cluster.call("check", *cluster.submission("checked"), api=api)
    assert said.returncode == 0, said.stdout
    assert "Nothing is wrong." in said.stdout
    assert "ok     dataset, as pods see it" in said.stdout
    assert not list(cluster.store("checked").list())
    assert "distributed-inference-check" not in cluster.kubectl("get", "workflows")


FAULTS = {
    "secret": (("--s3-secret", "no-such-secret"), 'secret "no-such-secret" not found'),
    "image": (("--image", "localhost/no-such-image:1"), "ImagePull"),
    "service account": (("--service-account", "nobody"), 'serviceaccount "nobody" not found'),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_missing_is_named_by_check_and_by_a_submission_without_it(cluster, digits, fault):
    options, words = FAULTS[fault]
    name = f"fault-{fault.replace(' ', '-')}"
    waiting = cluster.start("submit", *cluster.submission(name), *options, "--no-check", "--wait")
    checked = cluster.call("check", *cluster.submission(f"{name}-checked"), *options, "--json")
    assert checked.returncode == 78, checked.stderr
    wrong = [each["words"] for each in json.loads(checked.stdout)["findings"] if each["state"] == "wrong"]
    assert any(words in each for each in wrong), wrong
    assert all(len(each) > 20 for each in wrong), "every finding has its fix"
    _, stderr = waiting.communicate(timeout=300)
    cluster.delete_all()
    assert waiting.returncode in (1, 78)
    assert words in stderr


def test_a_bucket_that_is_not_there_is_named(cluster, digits):
    given = list(cluster.submission("bucket"))
    given[given.index("--run") + 1] = "s3://no-such-bucket/run"
    said = cluster.call("submit", *given)
    assert said.returncode == 78
    assert "no-such-bucket" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_service_account_without_its_role_is_named(cluster, digits):
    cluster.kubectl("create", "serviceaccount", "powerless")
    given = (*cluster.submission("powerless"), "--service-account", "powerless")
    said = cluster.call("check", *given, "--json")
    assert said.returncode == 78
    words = " ".join(each["words"] for each in json.loads(said.stdout)["findings"] if each["state"] == "wrong")
    assert "workflowtaskresults" in words


def test_who_may_not_submit_is_told_which_permission_is_missing(cluster, digits, tmp_path):
    """The pods' own service account may not create workflows: its token is a real one."""
    token = cluster.kubectl("create", "token", "distributed-inference").strip()
    server = cluster.call("submit", *cluster.submission("refused"), "--no-check", ARGO_TOKEN=f"Bearer {token}")
    assert server.returncode == 78
    assert "not allowed to create workflows in namespace" in server.stderr
    assert token not in server.stderr
    config = cluster.kubeconfig(tmp_path / "config", token)
    straight = cluster.call("submit", *cluster.submission("refused"), "--no-check", api="kubernetes", KUBECONFIG=config)
    assert straight.returncode == 78
    assert "not allowed to create workflows in namespace" in straight.stderr
    assert token not in straight.stderr


def test_dry_run_is_checked_by_the_api_server_and_creates_nothing(cluster, digits):
    for api in APIS:
        said = cluster.call("submit", *cluster.submission("dry"), "--dry-run", api=api)
        assert said.returncode == 0, said.stderr
        assert said.stdout.startswith("apiVersion: argoproj.io/v1alpha1")
        assert POD_ENDPOINT in said.stdout
        assert SECRET in said.stdout
    assert not list(cluster.store("dry").list())
    refused = cluster.call(
        "submit", *cluster.submission("dry"), "--dry-run", "--label", "a=not a label", api="kubernetes"
    )
    assert refused.returncode in (65, 78)
    assert "label" in refused.stderr
