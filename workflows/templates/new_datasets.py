"""Every new dataset file below a prefix is inferred once: what a CronWorkflow starts."""

from hera.workflows import Task, WorkflowTemplate
from hera.workflows.models import TemplateRef

from workflows.distributed_inference import NAME, inference_steps, output, pipeline, step
from workflows.manifest import model
from workflows.templates.site import UNASKED, Site
from workflows.values import FormValues, arguments_for, dag, given

FIND = "find-datasets"


def new_datasets(site: Site) -> WorkflowTemplate:
    """Find the dataset files whose run has no report, and infer each by the template of inference.

    All of it is one workflow, so that a CronWorkflow that forbids two at a time never begins a run twice.
    """
    values = FormValues(site.pods, of_run=False)
    find = step(
        FIND,
        UNASKED,
        site.pods,
        values,
        given(values, "datasets", "runs", "most"),
        module="steps.find_datasets",
        outputs=[output("new", default=None)],
    )
    main = dag(pipeline(inference_steps(UNASKED, site.pods, site.values)))
    infer = Task(
        name="run",
        template_ref=model(TemplateRef, name=NAME, template=main.name),
        depends=FIND,
        with_param=f"{{{{tasks.{FIND}.outputs.parameters.new}}}}",
        arguments=arguments_for(main, dataset="{{item.dataset}}", run="{{item.run}}"),
    )
    return site.template(
        f"{NAME}-new-datasets",
        "Infer new datasets",
        "Looks for dataset files below a prefix and infers each that has no report yet, once: its run is named by the "
        "digest of the file. A CronWorkflow starts it at its times.",
        [Task(name=FIND, template=FIND, arguments=arguments_for(find)), infer],
        [find],
        first=("datasets", "model", "runs", "most", "split", "shards", "device"),
        fail_fast=False,
    )
