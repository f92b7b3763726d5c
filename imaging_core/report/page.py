"""The report page: one template, two renderings, no JavaScript, nothing remote, and no text that becomes markup."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from imaging_core import run
from imaging_core.report.figures import duration
from imaging_core.report.picture import Picture

SHARDS_SHOWN = 24
"""So many shards' times are open to the eye, the slowest; the rest is folded."""

ONE_FILE = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
WITH_FOLDER = "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'"

_MIME = {"png": "image/png", "jpg": "image/jpeg"}


def one_file(view: Mapping[str, Any]) -> bytes:
    """The page with its pictures inside as data URIs: for mail and print."""
    return _render(view, ONE_FILE, lambda case: _data_uri(case["picture"]))


def with_folder(view: Mapping[str, Any]) -> bytes:
    """The page with its pictures beside it, for Argo's artifact viewer, whose policy blocks data URIs."""
    folder = run.REPORT_UI_PICTURES.rpartition("/")[2]
    return _render(view, WITH_FOLDER, lambda case: f"{folder}/{case['file']}")


def _data_uri(picture: Picture) -> str:
    return f"data:{_MIME[picture.extension]};base64,{base64.b64encode(picture.data).decode('ascii')}"


def comparison_page(view: Mapping[str, Any]) -> bytes:
    """The page that compares runs: one file without pictures."""
    return _render(view, ONE_FILE, lambda _: "", "compare.html")


def _render(
    view: Mapping[str, Any], policy: str, source: Callable[[Mapping[str, Any]], str], template: str = "report.html"
) -> bytes:
    environment = Environment(
        loader=PackageLoader("imaging_core.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"source": source, "duration": duration, "shards_shown": SHARDS_SHOWN, "policy": policy}
    return environment.get_template(template).render(view).encode("utf-8", "backslashreplace")
