"""A fan-out that is much wider than what may be at work at once."""

import json


def test_fifty_shards_four_at_a_time(cluster, digits):
    workflow = cluster.submit("fifty", "--parallelism", "4", "--cpu", "230m", shards=50)
    said, most = cluster.most_at_once(workflow)
    assert said["metrics"]["cases"]["done"] == 359
    assert most == 4
    assert len(json.loads(cluster.store("fifty").get("shards/index.json"))["shards"]) == 50
