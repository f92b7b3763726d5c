"""Old runs, or some of their outputs, are removed."""

from hera.workflows import Task, WorkflowTemplate

from workflows.distributed_inference import NAME, step
from workflows.templates.site import UNASKED, Site
from workflows.values import FormValues, arguments_for, given

ASKED = ("runs", "what", "older-than", "keep", "delete")


def cleanup(site: Site) -> WorkflowTemplate:
    """Say what would be removed, and remove it where that is asked for."""
    values = FormValues(site.pods, of_run=False)
    remove = step("cleanup", UNASKED, site.pods, values, given(values, *ASKED))
    return site.template(
        f"{NAME}-cleanup",
        "Clean up old runs",
        "Removes runs that are old, or some of their outputs, never the last one of a dataset and model with a good "
        "report. As it stands it only says, in its log, what would go.",
        [Task(name="cleanup", template="cleanup", arguments=arguments_for(remove))],
        [remove],
        first=ASKED,
    )
