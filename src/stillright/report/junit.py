"""Verdict -> JUnit XML, for CI systems."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from stillright.report.controls import without_controls
from stillright.verdict import Verdict

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(verdict: Verdict) -> str:
    """JUnit XML: one test case per check; "cannot tell" is an error, since it must not pass as green."""
    outcomes = [check.outcome for check in verdict.checks]
    suite = ElementTree.Element(
        "testsuite",
        name="stillright gate",
        tests=str(len(outcomes)),
        failures=str(outcomes.count("fail")),
        errors=str(outcomes.count("cannot tell")),
    )
    for check in verdict.checks:
        case = ElementTree.SubElement(suite, "testcase", classname="stillright.gate", name=_clean(check.name))
        if check.outcome != "pass":
            kind = "failure" if check.outcome == "fail" else "error"
            ElementTree.SubElement(case, kind, message=_clean(check.reason))
        ElementTree.SubElement(case, "system-out").text = _clean(check.reason)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    """`text` on one line, without what XML cannot hold or what would turn it around."""
    return NOT_XML.sub("\ufffd", without_controls(text))
