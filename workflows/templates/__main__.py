"""``python -m workflows.templates``: renders the WorkflowTemplates for one place."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from imaging_core.errors import EXIT_DONE, ConfigurationError
from steps.command import run_command
from workflows import pod_options
from workflows.options import location
from workflows.pods import Pods
from workflows.templates.catalogue import folder, rendered
from workflows.templates.form import SEMAPHORE
from workflows.templates.site import Site

DESCRIPTION = """\
Render the WorkflowTemplates that Argo's UI has forms for: inference, training, training and inference, comparison of
runs, and inference of new datasets. The options say how pods run and reach S3 at your place; they are those of submit.
"""
EPILOG = f"""\
examples:
  %(prog)s --image registry.example.org/imaging:1.0 --s3-secret bucket-credentials --runs s3://runs \\
      | kubectl apply -n imaging -f -
  %(prog)s --image registry.example.org/imaging:1.0 --out templates && kubectl apply -n imaging -k templates

So many infer pods run at the same time as the ConfigMap {SEMAPHORE.partition("/")[0]} says under the key
{SEMAPHORE.partition("/")[2]} (--semaphore names another).
"""


def main(arguments: Sequence[str] | None) -> int:
    """Print the templates, or write them to a folder."""
    parser = argparse.ArgumentParser(prog="python -m workflows.templates", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    render = commands.add_parser(
        "render",
        help="WorkflowTemplates as YAML",
        usage="python -m workflows.templates render [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    render.add_argument(
        "--runs", type=location, metavar="LOCATION", help="where runs lie: what forms propose (default: they ask)"
    )
    render.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write one file each, and a kustomization (default: print them)"
    )
    pod_options.add_pod_options(render)
    options = parser.parse_args(arguments)
    site = Site.of(Pods(**pod_options.given(options)), options.runs)
    if options.out is None:
        print("---\n".join(rendered(site).values()), end="")
    else:
        _write(options.out, folder(site))
    return EXIT_DONE


def _write(where: Path, files: dict[str, str]) -> None:
    """Write files into a folder, which is made when it is not there.

    Raises:
        ConfigurationError: one cannot be written.
    """
    try:
        where.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (where / name).write_text(text)
    except OSError as error:
        raise ConfigurationError(f"{where}: cannot be written: {error.strerror}; give another --out") from error


if __name__ == "__main__":
    run_command(main)
