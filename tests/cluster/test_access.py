"""How a cluster is reached, and what is said when it is not."""

import json
import re
import shlex
import signal
import time
from pathlib import Path

import pytest

from tests.s3_server import running_toxiproxy
from tests.workflows.ci.junit_rules import verdicts

APIS = ("server", "kubernetes")


def test_a_token_that_is_wrong_or_has_expired_is_said(cluster, tmp_path):
    server = cluster.call("list", ARGO_TOKEN="Bearer some.wrong.token")  # noqa: S106
    assert server.returncode == 78
    assert "the credentials are wrong or have expired; get a new ARGO_TOKEN" in server.stderr
    config = cluster.kubeconfig(tmp_path / "config", "some.wrong.token")
    straight = cluster.call("list", api="kubernetes", KUBECONFIG=config)
    assert straight.returncode == 78
    assert "the credentials are wrong or have expired; log in again" in straight.stderr
    assert "some.wrong.token" not in server.stderr + straight.stderr


def test_without_any_cluster_it_is_said_what_to_set(cluster, tmp_path):
    said = cluster.call("list", api="kubernetes", KUBECONFIG=str(tmp_path / "none"))
    assert said.returncode == 78
    assert "set ARGO_SERVER and ARGO_TOKEN, or KUBECONFIG" in said.stderr


def test_an_address_with_a_scheme_is_refused(cluster):
    said = cluster.call("list", ARGO_SERVER="https://argo.example.org/argo")
    assert said.returncode == 64
    assert "give host:port; a base path goes into ARGO_BASE_HREF" in said.stderr


def test_a_server_that_does_not_speak_tls_is_named_at_once(cluster):
    said = cluster.call("list", ARGO_SERVER=cluster.environment["S3_ENDPOINT"].removeprefix("http://"))
    assert said.returncode == 78
    assert "does not speak TLS" in said.stderr


@pytest.fixture(scope="module")
def failed(cluster, digits, isic) -> str:
    """A workflow that has failed for good: the model is for another task than the dataset."""
    cluster.inputs["mixed"] = (isic[0], digits[1])
    workflow = cluster.submit("mixed", dataset="mixed", shards=1)
    said = cluster.ended(workflow)
    assert said.returncode == 65
    (failure,) = json.loads(said.stdout)["failures"]
    assert (failure["step"], failure["exit_code"], failure["attempts"]) == ("infer 000", 65, 1), "bad data: not retried"
    assert "error: " in failure["message"]
    return workflow


def test_only_the_server_can_retry_and_that_is_said(cluster, failed):
    said = cluster.call("retry", failed, api="kubernetes")
    assert said.returncode == 78
    assert "only the Argo Server can do it; set ARGO_SERVER and ARGO_TOKEN, or use resume" in said.stderr
    said = cluster.call("retry", failed)
    assert said.returncode == 0, said.stderr
    assert cluster.ended(failed).returncode == 65


@pytest.mark.parametrize("api", APIS)
def test_watching_survives_connections_that_break(cluster, digits, tmp_path, api):
    """Everything between the laptop and the cluster is cut for a while, then comes back."""
    workflow = cluster.submit(f"cut-{api}", shards=1)
    config = tmp_path / "config"
    config.write_text(cluster.kubectl("config", "view", "--raw", "--minify"))
    host, port = cluster.environment["ARGO_SERVER"].split(":") if api == "server" else ("127.0.0.1", _port(config))
    with running_toxiproxy(int(port), host) as proxy:
        address = proxy.endpoint.removeprefix("http://")
        config.write_text(config.read_text().replace(f"https://127.0.0.1:{port}", f"https://{address}"))
        variables = {"ARGO_SERVER": address} if api == "server" else {"KUBECONFIG": str(config)}
        watching = cluster.start("watch", workflow, "--json", api=api, **variables)
        cluster.wait_for(lambda: cluster.pods(workflow, "split"))
        for _ in range(2):
            proxy.enable(False)
            time.sleep(8)
            proxy.enable(True)
            time.sleep(3)
        stdout, stderr = watching.communicate(timeout=300)
    assert watching.returncode == 0, stderr
    assert json.loads(stdout)["metrics"]["complete"]


def _port(config: Path) -> str:
    found = re.search(r"server: https://127\.0\.0\.1:(\d+)", config.read_text())
    assert found
    return found[1]


def test_ctrl_c_ends_the_watching_and_not_the_run(cluster, digits):
    workflow = cluster.submit("interrupted", shards=1)
    watching = cluster.start("watch", workflow)
    assert watching.stderr.readline(), "it watches"
    watching.send_signal(signal.SIGINT)
    _, stderr = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert f"the workflow goes on. Watch it again: python -m workflows.distributed_inference watch {workflow}" in stderr
    assert cluster.ended(workflow).returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_a_workflow_that_is_removed_meanwhile_is_said_with_what_still_tells_its_verdict(cluster, digits, tmp_path, api):
    page = tmp_path / "summary.md"
    workflow = cluster.submit(f"removed-{api}", shards=1)
    watching = cluster.start("watch", workflow, "--markdown", str(page), api=api)
    assert watching.stderr.readline(), "it watches"
    cluster.kubectl("delete", "workflow", workflow)
    _, stderr = watching.communicate(timeout=60)
    assert watching.returncode == 65
    assert f"workflow {workflow}: was removed while it was watched" in stderr
    report = f"python -m workflows.distributed_inference report {cluster.run(f'removed-{api}')}"
    assert report in stderr
    assert report in page.read_text()
    assert "watch " not in page.read_text(), "there is nothing left to watch"


def test_a_ci_that_waits_no_longer_shows_that_the_run_goes_on_and_how_to_end_it(cluster, digits, tmp_path):
    files = tmp_path / "junit.xml", tmp_path / "summary.md"
    pages = ("--junit", str(files[0]), "--markdown", str(files[1]))
    said = cluster.call(
        "submit", *cluster.submission("waited", shards=1), "--no-check", "--wait", "--timeout", "3", *pages
    )
    assert said.returncode == 75
    (found,) = [line for line in files[1].read_text().splitlines() if line.endswith("# end it")]
    assert verdicts(files[0].read_bytes()) == {"complete": "error"}
    stop = shlex.split(found, comments=True)
    assert stop[:3] == ["python", "-m", "workflows.distributed_inference"]
    workflow = stop[4]
    assert f"{workflow}: has not ended after 3 s" in files[0].read_text()
    assert cluster.workflow(workflow)["status"].get("phase") in ("Pending", "Running", None), "it goes on"

    assert cluster.call(*stop[3:]).returncode == 0
    assert cluster.ended(workflow).returncode == 1
    again = cluster.call("watch", workflow, "--quiet", *pages)
    assert again.returncode == 1
    assert verdicts(files[0].read_bytes()) == {"complete": "error"}
    assert "has not ended" not in files[0].read_text(), "it has: the page says so now"
