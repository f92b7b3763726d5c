"""A fan-out that is much wider than what may be at work at once."""

import json


def test_fifty_shards_four_at_a_time(cluster, digits):
    workflow = cluster.submit("fifty", "--parallelism", "4", "--cpu", "400m", shards=50)
    most = 0
    watching = cluster.start("watch", workflow, "--quiet", "--json")
    while watching.poll() is None:
        pods = json.loads(
            cluster.kubectl("get", "pods", "-l", f"workflows.argoproj.io/workflow={workflow}", "-o", "json")
        )
        open_ones = [pod for pod in pods["items"] if pod["status"]["phase"] in ("Pending", "Running")]
        most = max(most, len(open_ones))
    stdout, stderr = watching.communicate()
    assert watching.returncode == 0, stderr
    assert json.loads(stdout)["metrics"]["cases"]["done"] == 359
    assert most == 4
    assert len(json.loads(cluster.store("fifty").get("shards/index.json"))["shards"]) == 50
