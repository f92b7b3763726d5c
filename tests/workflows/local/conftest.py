"""Small real workflows, built with Hera and run by the local engine as real processes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hera.workflows import DAG, Container, Parameter, RetryStrategy, Task, Workflow
from hera.workflows.models import Backoff

from workflows.local import Engine, Node, Outcome, read_plan
from workflows.manifest import to_manifest
from workflows.retry import RETRY_EXPRESSION


@dataclass
class Journal:
    """An observer that keeps what it is told."""

    lines: list[str] = field(default_factory=list)
    progress: set[tuple[str, int, int]] = field(default_factory=set)

    def started(self, node: Node) -> None:
        self.lines.append(f"{node.name} started")

    def retrying(self, node: Node, wait: float) -> None:
        self.lines.append(f"{node.name} ended with {node.exit_code}, again in {wait:g} s")

    def ended(self, node: Node) -> None:
        self.lines.append(f"{node.name} {node.status} with {node.exit_code}")

    def stopping(self, running: int) -> None:
        self.lines.append(f"stopping {running}")

    def tick(self, nodes: Sequence[Node]) -> None:
        self.progress |= {(node.name, *node.progress) for node in nodes if node.progress}


@dataclass
class Local:
    """Runs workflows with their logs in a folder of the test's own."""

    logs: Path
    journal: Journal = field(default_factory=Journal)

    def run(self, workflow: Workflow, gpus: Sequence[str] = ()) -> Outcome:
        return Engine(read_plan(to_manifest(workflow)), self.logs, self.journal, gpus).run()

    def log(self, node: str) -> str:
        return (self.logs / f"{node}.log").read_text()


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path / "logs")


@pytest.fixture
def python() -> Callable[..., Container]:
    """Makes a container template whose process runs some lines of Python."""

    def template(
        name: str,
        code: str,
        *arguments: str,
        inputs: Sequence[str] = (),
        outputs: Sequence[Parameter] = (),
        limit: int | None = None,
        longest: str | None = None,
    ) -> Container:
        backoff = Backoff(duration="100ms", factor="2", max_duration=longest)
        return Container(
            name=name,
            image="any",
            command=["python", "-c"],
            args=[code, *arguments],
            inputs=[Parameter(name=each) for each in inputs] or None,
            outputs=list(outputs) or None,
            retry_strategy=None
            if limit is None
            else RetryStrategy(limit=str(limit), retry_policy="Always", expression=RETRY_EXPRESSION, backoff=backoff),
        )

    return template


@pytest.fixture
def single(python: Callable[..., Container]) -> Callable[..., Workflow]:
    """Makes a workflow of one task, ``step``."""

    def workflow(code: str, *arguments: str, **options: object) -> Workflow:
        step = python("step", code, *arguments, **options)
        return Workflow(
            generate_name="test-",
            entrypoint="main",
            templates=[DAG(name="main", tasks=[Task(name="step", template="step")]), step],
        )

    return workflow


@pytest.fixture
def fan_out(python: Callable[..., Container]) -> Callable[..., Workflow]:
    """Makes ``list`` (writes the items), ``each`` (runs per item), ``last`` (runs when every one has ended)."""

    def workflow(
        items: Sequence[str], each: str, last: str = "pass", parallelism: int | None = None, limit: int | None = None
    ) -> Workflow:
        listing = python(
            "list",
            "import json, sys; open(sys.argv[1], 'w').write(json.dumps(sys.argv[2:]))",
            "/out/items.json",
            *items,
            outputs=[Parameter(name="items", value_from={"path": "/out/items.json"})],
        )
        tasks = [
            Task(name="list", template="list"),
            Task(
                name="each",
                template="each",
                depends="list",
                with_param="{{tasks.list.outputs.parameters.items}}",
                arguments=[Parameter(name="name", value="{{item}}")],
            ),
            Task(name="last", template="last", depends="each.Succeeded || each.Failed || each.Errored"),
        ]
        return Workflow(
            generate_name="test-",
            entrypoint="main",
            parallelism=parallelism,
            templates=[
                DAG(name="main", tasks=tasks),
                listing,
                python("each", each, "{{inputs.parameters.name}}", inputs=["name"], limit=limit),
                python("last", last),
            ],
        )

    return workflow
