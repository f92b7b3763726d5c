"""Less than a run would like to have: a quota of the namespace, a semaphore over all workflows."""

QUOTA = """
apiVersion: v1
kind: ResourceQuota
metadata: {name: few}
spec: {hard: {"requests.cpu": 100m}}
"""


def test_a_quota_is_named_while_it_lasts_and_waited_for(cluster, digits, undisturbed):
    cluster.kubectl("apply", "-f", "-", stdin=QUOTA)
    try:
        workflow = cluster.submit("quota", shards=2)
        assert cluster.wait_for(lambda: "exceeded quota" in cluster.call("status", workflow).stdout)
    finally:
        cluster.kubectl("delete", "resourcequota", "few")
    said = cluster.ended(workflow)
    assert said.returncode == 0, said.stdout
    assert cluster.compared("quota") == undisturbed


def test_a_semaphore_lets_so_many_infer_at_once(cluster, digits, undisturbed):
    cluster.kubectl("create", "configmap", "gpu-quota", "--from-literal=pathology=1")
    workflow = cluster.submit("semaphore", "--semaphore", "gpu-quota/pathology", "--cpu", "400m", shards=2)
    said, most = cluster.most_at_once(workflow, "infer")
    assert said["metrics"]["complete"]
    assert most == 1
    assert cluster.compared("semaphore") == undisturbed
