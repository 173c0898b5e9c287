"""A suite's result as JUnit XML, so that any CI shows which goal was missed and by how much."""

import re
from xml.etree import ElementTree

from eval.figures import Figure, number
from eval.report import told
from eval.result import CandidateResult, SuiteResult

_NO_XML = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, escaped or not."""


def as_junit(result: SuiteResult) -> bytes:
    """Write one test suite per candidate: a case per figure with a goal, a skipped case per thing set aside.

    A case fails when its goal was missed; that drafts were set aside is itself a figure with a goal.
    """
    root = ElementTree.Element("testsuites", name=result.label)
    for candidate in result.candidates:
        _suite(root, result, candidate)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _suite(root: ElementTree.Element, result: SuiteResult, candidate: CandidateResult) -> None:
    goals = [entry for entry in candidate.figures if entry.goal is not None]
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=f"{result.label}.{candidate.name}",
        tests=str(len(goals) + len(candidate.set_aside)),
        failures=str(sum(entry.met is False for entry in goals)),
        errors="0",
        skipped=str(len(candidate.set_aside)),
        timestamp=result.origin.started,
        time=f"{result.origin.seconds:.3f}",
    )
    for entry in goals:
        case = ElementTree.SubElement(suite, "testcase", classname=suite.attrib["name"], name=entry.name)
        if entry.met is False:
            ElementTree.SubElement(case, "failure", message=_missed(entry), type="threshold")
    for place, entry in enumerate(candidate.set_aside, 1):
        name = f"set aside {place}: {entry.what}"
        case = ElementTree.SubElement(suite, "testcase", classname=suite.attrib["name"], name=_legal(name))
        ElementTree.SubElement(case, "skipped", message=_legal(told(entry)))


def _missed(entry: Figure) -> str:
    interval = f" ({number(entry.low)} to {number(entry.high)})" if entry.low is not None else ""
    return f"{entry.name} is {number(entry.value)}{interval}, goal {entry.goal}"


def _legal(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
