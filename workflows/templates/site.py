"""What one place's templates have in common."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hera.workflows import Container, Task, WorkflowTemplate
from hera.workflows.models import WorkflowMetadata

from workflows import metrics, pod_fields
from workflows.distributed_inference import NAME
from workflows.manifest import model
from workflows.parameters import Parameters
from workflows.pods import Pods, pair
from workflows.templates.form import SEMAPHORE, Field, fields, form
from workflows.values import FormValues, dag, parameters_of

NAME_LABEL = "app.kubernetes.io/name"
"""By it list and status know the workflows that are runs, and network policies the pods."""

UNASKED = Parameters(dataset="", model="", run="", shards=1, parallelism=1)
"""What no form asks for is as it is by default; the rest is not looked at."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where templates are rendered for.

    Attributes:
        pods: their settings. They are the site's, not the form's: whoever may fill in a form gets no say in which
            image runs with which secret.
        runs: the prefix below which runs lie; None leaves it to the form.
    """

    pods: Pods
    runs: str | None = None

    @classmethod
    def of(cls, pods: Pods, runs: str | None = None) -> "Site":
        """Shards are limited by the site's ConfigMap, unless the settings name another."""
        return cls(replace(pods, semaphore=pods.semaphore or SEMAPHORE), runs and runs.rstrip("/"))

    @property
    def values(self) -> FormValues:
        """What templates refer to."""
        return FormValues(self.pods)

    @property
    def fields(self) -> dict[str, Field]:
        """What forms may ask for."""
        return fields(self.pods, self.runs)

    def template(
        self,
        name: str,
        title: str,
        description: str,
        tasks: Sequence[Task],
        templates: Sequence[Container],
        *,
        first: Sequence[str],
        fail_fast: bool | None = None,
    ) -> WorkflowTemplate:
        """A WorkflowTemplate whose form asks for what its tasks refer to.

        Args:
            name: of the object, and what names of its workflows begin with.
            title: what Argo's list shows.
            description: in a sentence or two, for whoever looks for the right form.
            tasks: of the DAG.
            templates: that they call.
            first: the fields that come first, in their order; the others follow as they are listed in form.py.
            fail_fast: whether what one task fails of keeps others from being started; None leaves it to Argo, which
                says yes.
        """
        main = dag(tasks, fail_fast=fail_fast)
        asked = {str(each.name) for each in parameters_of(main.inputs)}
        asked |= {"runs"} if "run" in asked else set()
        known = self.fields
        names = [*first, *(each for each in known if each in asked and each not in first)]
        labels = {NAME_LABEL: NAME, **dict(pair(text) for text in self.pods.labels)}
        infers = "gather" in {each.name for each in templates}
        own = labels if infers else labels | {NAME_LABEL: name}
        return WorkflowTemplate(
            name=name,
            entrypoint="main",
            annotations={"workflows.argoproj.io/title": title, "workflows.argoproj.io/description": description},
            arguments=form(known, names),
            metrics=metrics.of_workflow() if infers else None,
            workflow_metadata=model(WorkflowMetadata, labels=own),
            templates=[main, *templates],
            **pod_fields.workflow_fields(self.pods, labels),
        )
