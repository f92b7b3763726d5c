"""Two teams at once, each in a namespace of its own: what limits one, and who works there, does not touch the other."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.cluster.conftest import SECRET, Cluster, new_namespace
from tests.cluster.test_install import install, user

ROLES = [f"role/distributed-inference-{each}" for each in ("viewer", "submitter", "administrator")]
QUOTA = ("create", "quota", "few", "--hard=requests.cpu=100m")


@pytest.fixture(scope="module")
def teams(cluster: Cluster, digits: object) -> Iterator[tuple[Cluster, Cluster]]:
    with new_namespace() as first, new_namespace() as second:
        for each in (first, second):
            each.inputs = cluster.inputs
            assert install(each, "apply", "-n", each.namespace, "--force-conflicts").returncode == 0
        yield first, second


def test_a_quota_of_one_team_does_not_keep_the_other_waiting(teams):
    limited, free = teams
    limited.kubectl(*QUOTA)
    waiting = limited.submit("a", shards=1)
    done = free.ended(free.submit("a", shards=1))
    assert done.returncode == 0, done.stdout
    assert limited.wait_for(lambda: "exceeded quota" in limited.call("status", waiting).stdout)
    limited.kubectl("delete", "quota", "few")
    assert limited.ended(waiting).returncode == 0
    assert limited.compared("a") == free.compared("a")


def test_the_accounts_of_one_team_see_nothing_of_the_other(teams, tmp_path):
    """Even its administrator: runs, logs, secrets, limits."""
    own, other = teams
    workflow = other.submit("seen", shards=1)
    config = user(own, own.namespace, tmp_path, *ROLES)
    for command in (("list",), ("status", workflow), ("logs", workflow), ("stop", workflow), ("delete", workflow)):
        said = own.call(*command, "-n", other.namespace, api="kubernetes", KUBECONFIG=config)
        assert said.returncode == 78, command
        assert "not allowed to" in said.stderr
        assert workflow not in said.stdout
    assert own.call("list", "-n", own.namespace, api="kubernetes", KUBECONFIG=config).returncode == 0
    for verb in ("get", "patch", "delete"):
        for what in (f"secrets/{SECRET}", "pods", "configmaps/distributed-inference-limits", "workflowtemplates"):
            asked = ["kubectl", "-n", other.namespace, "auth", "can-i", verb, what]
            said = subprocess.run(asked, capture_output=True, text=True, env=own.environment | {"KUBECONFIG": config})
            assert said.stdout.strip() == "no", f"{verb} {what}"
    assert other.ended(workflow).returncode == 0
