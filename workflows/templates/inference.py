"""The run that ``submit`` makes, as a template."""

from hera.workflows import WorkflowTemplate

from workflows.distributed_inference import NAME, inference_steps, pipeline
from workflows.templates.site import UNASKED, Site

FIRST = ("dataset", "model", "runs", "run", "split", "shards", "device")


def inference(site: Site) -> WorkflowTemplate:
    """Split, infer, gather."""
    steps = inference_steps(UNASKED, site.pods, site.values)
    return site.template(
        NAME,
        "Infer a dataset",
        "Splits a dataset into shards, infers each in a pod of its own, and merges the results into one report.",
        pipeline(steps),
        steps,
        first=FIRST,
    )
