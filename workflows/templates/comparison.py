"""What differs between runs, as a page in Argo's UI."""

from hera.workflows import Task, WorkflowTemplate

from workflows.distributed_inference import NAME, page, step
from workflows.templates.site import UNASKED, Site
from workflows.values import arguments_for, given

ARTIFACTS = {"page": "comparison.html", "document": "comparison.json"}


def comparison(site: Site) -> WorkflowTemplate:
    """Compare runs of the same dataset."""
    compare = step(
        "compare",
        UNASKED,
        site.pods,
        site.values,
        given(site.values, "first", "others", "patient"),
        outputs=[
            artifact for name, file in ARTIFACTS.items() for artifact in page(site.values, site.pods, name, file, file)
        ],
    )
    return site.template(
        f"{NAME}-comparison",
        "Compare runs",
        "Paired differences between runs of the same dataset, with intervals and a test: a page, the output artifact "
        "'page' of the step compare, which is kept in the folder of this run, too.",
        [Task(name="compare", template="compare", arguments=arguments_for(compare))],
        [compare],
        first=("first", "others", "patient", "runs", "run"),
    )
