"""The command that does a run anew, from what ``run.json`` says of it."""

import shlex
from collections.abc import Mapping
from typing import Any

RENAMED = {
    "image_pull_secrets": "image_pull_secret",
    "labels": "label",
    "s3_endpoint": "pod_s3_endpoint",
    "tolerations": "toleration",
}
"""Settings of pods whose option has another name."""


def again(parameters: Mapping[str, Any], pods: Mapping[str, Any], location: str) -> str:
    """``run`` or, of a run of a cluster, ``submit``, at a place of its own.

    Args:
        parameters: of the run; what they lack is left to the command's defaults.
        pods: their settings, empty for a run of one machine.
        location: of the run.
    """
    words = ["python", "-m", "workflows.distributed_inference", "submit" if pods else "run"]
    for key, value in parameters.items():
        if key != "run" and key != "retry_failed":  # in a new run nothing has failed yet
            words += _option(key, value)
    if pods:
        words += _option("run", f"{location}-again")
    for key, value in pods.items():
        words += _option(RENAMED.get(key, key), value)
    return " ".join(words)


def _option(name: str, value: Any) -> list[str]:
    if value is None or value is False:  # 0 was asked for
        return []
    option = "--" + name.replace("_", "-")
    if value is True:
        return [option]
    values = value if isinstance(value, list) else [value]
    return [word for each in values for word in (option, shlex.quote(str(each)))]
