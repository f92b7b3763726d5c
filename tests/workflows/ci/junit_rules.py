"""The rules that readers of JUnit XML share (Jenkins' xUnit plugin, GitLab), as a check of a document."""

from xml.etree import ElementTree

SAID = {"failure": {"message", "type"}, "error": {"message", "type"}, "skipped": {"message"}, "system-out": set()}
CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase"],
    "properties": ["property"],
    "testcase": [*SAID],
    "property": [],
    **{tag: [] for tag in SAID},
}
ATTRIBUTES = {
    "testsuites": ({"tests", "failures", "errors"}, {"name", "time"}),
    "testsuite": ({"name", "tests", "failures", "errors"}, {"time", "skipped", "timestamp", "hostname"}),
    "properties": (set(), set()),
    "property": ({"name", "value"}, set()),
    "testcase": ({"classname", "name"}, {"time"}),
    **{tag: ({"type"} & known, known) for tag, known in SAID.items()},
}


def checked(document: bytes) -> ElementTree.Element:
    """The root of a document that keeps the rules."""
    root = ElementTree.fromstring(document)  # noqa: S314 - ours
    assert root.tag == "testsuites"
    for element in root.iter():
        needed, known = ATTRIBUTES[element.tag]
        assert needed <= set(element.attrib) <= needed | known, element.attrib
        assert all(element.get(name) for name in needed - {"value"})
        order = [CHILDREN[element.tag].index(child.tag) for child in element]
        assert order == sorted(order)
        assert len(element) <= 1 or element.tag != "testcase"
    for each in (root, *root.iter("testsuite")):
        for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert int(each.attrib[attribute]) == len(list(each.iter(tag)))
        assert float(each.get("time", "0")) >= 0
    (suite,) = root
    assert int(suite.attrib["skipped"]) == len(list(suite.iter("skipped")))
    names = [(case.get("classname"), case.get("name")) for case in suite.iter("testcase")]
    assert len(names) == len(set(names))
    return root


def verdicts(document: bytes) -> dict[str, str]:
    """Name of each test case to ``passed``, ``failure``, ``error`` or ``skipped``."""
    return {
        str(case.get("name")): next((child.tag for child in case if child.tag != "system-out"), "passed")
        for case in checked(document).iter("testcase")
    }
