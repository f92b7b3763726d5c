"""``render``, ``check``, ``apply``, ``status`` and ``uninstall``."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence

from imaging_core import __version__
from imaging_core.errors import (
    EXIT_DONE,
    EXIT_NOT_ACCEPTABLE,
    ConfigurationError,
    InferenceError,
    MissingError,
    listing,
)
from workflows.cluster.connection import connect_kubernetes
from workflows.cluster.findings import tell
from workflows.commands.workflow_options import add_json
from workflows.install import changes, check, credentials, first_time, inventory
from workflows.install.answers import Answers, add_answers, add_argo_manifests, add_first_time
from workflows.install.changes import Change
from workflows.install.inventory import Inventory
from workflows.install.objects import Objects, Reference
from workflows.install.render import as_yaml, example_values, render
from workflows.install.running import running, stop_all
from workflows.options import OWN_COMMAND
from workflows.parser import Parser, run_subcommand

COMMAND = "python -m workflows.install"
EPILOG = f"""\
example:
  {COMMAND} check -n imaging
  {COMMAND} apply -n imaging --parallelism 8 --gpus 8
  {COMMAND} status -n imaging

exit codes:
  0 done; 1 status: not all is as it should be; 64 usage; 75 the cluster does not
  answer, try again; 78 something has to be mended first
"""


def parser() -> argparse.ArgumentParser:
    """The command line; a parsed one holds the ``main`` of its subcommand."""
    root = Parser(prog=COMMAND, description="Install the platform in one namespace of a cluster.", epilog=EPILOG)
    root.add_argument("--version", action="version", version=__version__)
    commands = root.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def add(name: str, words: str, *, answers: bool) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = commands.add_parser(
            name, help=words, description=f"{words[0].upper()}{words[1:]}."
        )
        command.add_argument("--namespace", "-n", metavar="NAME", help="(default: that of kubectl's context)")
        if answers:
            add_answers(command)
        return command

    command = add(
        "render", "print what apply would apply, as YAML; asks no cluster, and knows no earlier answers", answers=True
    )
    command.set_defaults(main=_render)
    command = add("check", "look for what would make an installation fail; changes nothing", answers=True)
    add_json(command)
    command.set_defaults(main=_check)
    command = add("apply", "install, or upgrade to this version; a second time changes nothing", answers=True)
    command.add_argument(
        "--dry-run", action="store_true", help="let the API server say what would change; changes nothing"
    )
    command.add_argument(
        "--force-conflicts", action="store_true", help="take fields that others have set to something else"
    )
    add_first_time(command)
    add_json(command)
    command.set_defaults(main=_apply)
    command = add("status", "what is installed, and whether it is as this version would make it", answers=False)
    add_argo_manifests(command)
    add_json(command)
    command.set_defaults(main=_status)
    command = add("uninstall", "remove what apply made; runs, buckets, volumes and secrets stay", answers=False)
    command.add_argument("--dry-run", action="store_true", help="say what would be removed")
    command.add_argument("--yes", action="store_true", help="ask nothing, and stop workflows that are running")
    add_json(command)
    command.set_defaults(main=_uninstall)
    return root


def main(arguments: Sequence[str] | None) -> int:
    """Run one subcommand."""
    return run_subcommand(parser(), arguments)


def _render(arguments: argparse.Namespace) -> int:
    answers = Answers().changed_by(arguments)
    print(as_yaml(render(answers, arguments.namespace or "default", arguments.argo_manifests)), end="")
    return EXIT_DONE


def _check(arguments: argparse.Namespace) -> int:
    with _objects(arguments) as objects:
        answers = _answers(objects, arguments)
        rendered = render(answers, objects.api.namespace, arguments.argo_manifests)
        found = check.findings(objects, rendered, answers.s3_secret)
        return tell(found, as_json=arguments.json, before="installing")


def _apply(arguments: argparse.Namespace) -> int:
    with _objects(arguments) as objects:
        before = inventory.read(objects)
        answers = (before.answers if before else Answers()).changed_by(arguments)
        values = first_time.values_of_environment(answers) if arguments.s3_secret_from_environment else {}
        rendered = render(answers, objects.api.namespace, arguments.argo_manifests)
        if examples := example_values(rendered):
            raise ConfigurationError(
                listing("example.org is not yours; put your own values into the overlay", examples)
            )
        create, dry_run = arguments.create_namespace, arguments.dry_run
        for namespace in first_time.make_namespace(objects, create=create, dry_run=dry_run):
            print(f"  created    {namespace}", file=sys.stderr)
        known = list(before.objects) if before else []
        wanted = [Reference.of(each) for each in rendered]
        gone = [each for each in known if each not in wanted]
        made = changes.tried(objects, rendered, known, force=arguments.force_conflicts)
        if arguments.dry_run:
            made += changes.removed(objects, gone, dry_run=True)
            _say(objects, answers, made, arguments, "would be ")
            return EXIT_DONE
        mine = [each.reference for each in made if each.action != "left as is"]
        if before is None or {*known} != {*mine} or before.answers != answers or before.version != __version__:
            inventory.write(objects, answers, list(dict.fromkeys([*known, *mine])))  # whatever happens from here on
        for secret in credentials.make_missing(objects, rendered):
            print(f"  created    {secret}, with values drawn at random", file=sys.stderr)
        if values and answers.s3_secret:
            for secret in first_time.make_secret(objects, answers.s3_secret, values):
                print(f"  created    {secret}, of {' and '.join(first_time.VARIABLES.values())}", file=sys.stderr)
        made = list(changes.done(objects, rendered, known, force=arguments.force_conflicts))
        made += changes.removed(objects, gone, dry_run=False)
        if gone:
            inventory.write(objects, answers, mine)
        _say(objects, answers, made, arguments, "")
        if not arguments.json:
            print(f"Next:\n  {OWN_COMMAND} submit --help\n  {COMMAND} status -n {objects.api.namespace}")
    return EXIT_DONE


def _status(arguments: argparse.Namespace) -> int:
    with _objects(arguments) as objects:
        there = _installed(objects)
        rendered = render(there.answers, objects.api.namespace, arguments.argo_manifests)
        wanted = {Reference.of(each) for each in rendered}
        found = changes.tried(objects, rendered, there.objects, force=True)
        found += changes.removed(objects, [each for each in there.objects if each not in wanted], dry_run=True)
        if not arguments.json:
            print(f"installed by version {there.version}, looked at by version {__version__}")
        _say(objects, there.answers, found, arguments, "to be ")
    as_it_should_be = all(each.action in ("unchanged", "left as is", "kept") for each in found)
    return EXIT_DONE if as_it_should_be else EXIT_NOT_ACCEPTABLE


def _uninstall(arguments: argparse.Namespace) -> int:
    with _objects(arguments) as objects:
        there = _installed(objects)
        if not arguments.dry_run:
            _end(objects, running(objects.api), arguments.yes)
        found = list(changes.removed(objects, there.objects, dry_run=arguments.dry_run))
        if not arguments.dry_run:
            objects.delete(inventory.reference(objects.api.namespace), dry_run=False)
        _say(objects, there.answers, found, arguments, "would be " if arguments.dry_run else "")
        if not arguments.json:
            print("Runs in buckets, volumes, secrets and what lies in no namespace stay.")
    return EXIT_DONE


def _end(objects: Objects, names: list[str], yes: bool) -> None:
    if yes:
        stop_all(objects.api, names)
        return
    words = listing("still running, and stopped by uninstalling", names) if names else "nothing is running"
    question = f"{words}\nUninstall from namespace {objects.api.namespace}? [y/N] "
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{words}; give --yes to uninstall from namespace {objects.api.namespace}")
    if input(question).strip().lower() not in ("y", "yes"):
        raise ConfigurationError("nothing was removed")
    stop_all(objects.api, names)


def _objects(arguments: argparse.Namespace) -> Objects:
    return Objects(connect_kubernetes(arguments.namespace))


def _answers(objects: Objects, arguments: argparse.Namespace) -> Answers:
    try:
        before = inventory.read(objects)
    except InferenceError:  # check goes on without: its findings say what is not allowed
        before = None
    return (before.answers if before else Answers()).changed_by(arguments)


def _installed(objects: Objects) -> Inventory:
    there = inventory.read(objects)
    if there is None:
        where = objects.api.describe()
        raise MissingError(f"{where}: nothing is installed; {COMMAND} apply -n {objects.api.namespace}")
    return there


def _say(objects: Objects, answers: Answers, made: Iterable[Change], arguments: argparse.Namespace, would: str) -> None:
    made = list(made)
    if arguments.json:
        said = [{"kind": each.reference.kind, "name": each.reference.name, "action": each.action} for each in made]
        print(json.dumps({"namespace": objects.api.namespace, "answers": answers.to_json(), "objects": said}))
        return
    print(f"{objects.api.describe()}: overlay {answers.overlay}")
    for each in made:
        if each.action != "unchanged":
            print(f"  {would if each.action not in ('kept', 'left as is') else ''}{each.action:<10} {each.reference}")
            for line in each.difference.splitlines()[2:] if would else ():
                print(f"      {line}")
    counts = Counter(each.action for each in made)
    if counts.keys() <= {"unchanged", "left as is", "kept"}:
        print(f"Nothing {'would change' if would else 'changed'}: {len(made)} objects are as they should be.")
    else:
        print(", ".join(f"{count} {would}{action}" for action, count in counts.items()) + ".")
