"""Argo's ``{{…}}`` expressions, as far as the project uses them."""

import re
from collections.abc import Mapping

from workflows.local.fields import UnsupportedError

_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_KNOWN = re.compile(
    r"workflow\.parameters\.(?P<workflow>[\w-]+)|inputs\.parameters\.(?P<input>[\w-]+)"
    r"|tasks\.(?P<task>[\w-]+)\.outputs\.parameters\.(?P<output>[\w-]+)|item"
)


def expressions(text: str, where: str) -> list[str]:
    """The expressions in a text, without their braces; UnsupportedError names ``where`` and one that is not known."""
    found = [match.strip() for match in _EXPRESSION.findall(text)]
    for expression in found:
        if not _KNOWN.fullmatch(expression):
            raise UnsupportedError(f"{where}: the local engine does not know the expression {{{{{expression}}}}}")
    return found


def render(text: str, values: Mapping[str, str], where: str) -> str:
    """The text with every expression replaced by its value; a value is never looked at for further expressions.

    Raises:
        UnsupportedError: an expression is unknown or has no value.
    """

    def replacement(match: re.Match[str]) -> str:
        expression = match[1].strip()
        if expression not in values:
            raise UnsupportedError(f"{where}: {{{{{expression}}}}} has no value here; there are: {_listed(values)}")
        return values[expression]

    expressions(text, where)
    return _EXPRESSION.sub(replacement, text)


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(sorted(values)) or "none"
