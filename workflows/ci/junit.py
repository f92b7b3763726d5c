"""A run as JUnit XML: one suite, a case for each thing that was asked of it and for each kind of failed cases.

The elements and attributes are those that Jenkins' xUnit plugin (junit-10.xsd), GitLab and GitHub's actions read.
"""

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from workflows.ci.outcome import FailedCases, Outcome
from workflows.display import failed_with

SUITE = "distributed-inference"
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold (section 2.2, Char)."""


def junit_xml(outcome: Outcome) -> bytes:
    """The document, UTF-8."""
    cases = list(_cases(outcome))
    time = "0" if outcome.seconds is None else f"{outcome.seconds:.3f}"
    count = {tag: str(sum(case.find(tag) is not None for case in cases)) for tag in ("failure", "error", "skipped")}
    totals = {"tests": str(len(cases)), "failures": count["failure"], "errors": count["error"]}
    root = ElementTree.Element("testsuites", {"name": SUITE, **totals, "time": time})
    name = _text(outcome.workflow or outcome.run)
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": name, **totals, "skipped": count["skipped"], "time": time}
    )
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in _properties(outcome).items():
        ElementTree.SubElement(properties, "property", {"name": key, "value": _text(value)})
    suite.extend(cases)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, "utf-8", xml_declaration=True)) + b"\n"


def _properties(outcome: Outcome) -> dict[str, str]:
    metrics = outcome.metrics
    found = {
        "run": outcome.run,
        "exit_code": str(outcome.exit_code),
        "report": outcome.report,
        "workflow": outcome.link,
        "dataset_sha256": metrics and metrics["dataset"]["sha256"],
        "model_sha256": metrics and metrics["model"] and metrics["model"]["sha256"],
    }
    return {key: value for key, value in found.items() if value}


def _cases(outcome: Outcome) -> Iterator[ElementTree.Element]:
    for failure in outcome.failures:
        case = _case("steps", failure.step)
        ended = "ended without an exit code" if failure.exit_code is None else failed_with(failure.exit_code)
        _say(case, "error", ended, failure.message)
        yield case
    if outcome.metrics is None:
        if outcome.left is not None:
            case = _case("checks", "complete")
            commands = (f"{what}: {command}" for what, command in outcome.left.commands.items())
            _say(case, "error", outcome.left.why, "\n".join([outcome.left.why, *commands]))
            yield case
        elif not outcome.failures:
            case = _case("checks", "complete")
            _say(case, "error", f"no report was written (exit code {outcome.exit_code})", "")
            yield case
        return
    few = True
    for check in outcome.metrics.get("checks", ()):
        case = _case("checks", check["name"])
        if not check["holds"]:
            _say(case, "failure", check["says"], check["says"])
        else:
            ElementTree.SubElement(case, "system-out").text = _text(check["says"])
        few = few and (check["holds"] or check["kind"] != "failed")
        yield case
    for failed in outcome.failed:
        case = _case("cases", f"failed: {failed.kind}")
        words = f"{failed.count} case{'s' if failed.count != 1 else ''} failed{', as many as are allowed' * few}"
        _say(case, "skipped" if few else "failure", words, "\n".join(_lines(failed)))
        yield case


def _lines(failed: FailedCases) -> list[str]:
    more = failed.count - len(failed.cases)
    return [f"{name}: {reason}" for name, reason in failed.cases] + [f"and {more} more"] * bool(more)


def _case(group: str, name: str) -> ElementTree.Element:
    return ElementTree.Element("testcase", {"classname": f"{SUITE}.{group}", "name": _text(name), "time": "0"})


def _say(case: ElementTree.Element, tag: str, message: str, text: str) -> None:
    element = ElementTree.SubElement(case, tag, {"message": _text(message)})
    if tag != "skipped":
        element.set("type", tag)
    element.text = _text(text)


def _text(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
