"""What an installation stands on: its namespace, and the credentials for S3. Made once; uninstalling leaves both."""

import os
from collections.abc import Iterator

from imaging_core.errors import ConfigurationError, UsageError
from workflows.install import credentials
from workflows.install.answers import Answers
from workflows.install.objects import Objects, Reference

VARIABLES = {"accesskey": "AWS_ACCESS_KEY_ID", "secretkey": "AWS_SECRET_ACCESS_KEY"}
"""Key of the secret to variable."""


def make_namespace(objects: Objects, *, create: bool, dry_run: bool) -> Iterator[Reference]:
    """See to the namespace: where there is none, make it, if that is wanted; its reference when it was made.

    Raises:
        ConfigurationError: there is none. A dry run does not make it, either: nothing can be tried without it.
    """
    name = objects.api.namespace
    reference = Reference("v1", "Namespace", "", name)
    try:
        found = objects.get(reference)
    except ConfigurationError:  # not everybody may ask
        if create:
            raise
        return
    if found is not None:
        return
    if dry_run or not create:
        otherwise = "" if dry_run else ", or give --create-namespace"
        raise ConfigurationError(f"namespace {name}: there is none; kubectl create namespace {name}{otherwise}")
    objects.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, dry_run=False, force=False)
    yield reference


def values_of_environment(answers: Answers) -> dict[str, str]:
    """What the secret of ``--s3-secret`` shall hold.

    Raises:
        UsageError: no secret was named.
        ConfigurationError: a variable is unset, or the credentials will end.
    """
    if answers.s3_secret is None:
        raise UsageError("--s3-secret-from-environment: which secret? give --s3-secret NAME, too")
    values = {key: os.environ.get(variable, "") for key, variable in VARIABLES.items()}
    if absent := [VARIABLES[key] for key, value in values.items() if not value]:
        raise ConfigurationError(f"--s3-secret-from-environment: {' and '.join(absent)} unset; set what pods may use")
    if os.environ.get("AWS_SESSION_TOKEN"):
        raise ConfigurationError(
            "--s3-secret-from-environment: AWS_SESSION_TOKEN is set: these credentials end soon, and pods' with them; "
            "use ones that last, or the service account's own identity"
        )
    return values


def make_secret(objects: Objects, name: str, values: dict[str, str]) -> Iterator[Reference]:
    """Make the secret where there is none; its reference when it was made."""
    reference = Reference("v1", "Secret", objects.api.namespace, name)
    if objects.get(reference) is None:
        credentials.make(objects, reference, values)
        yield reference
