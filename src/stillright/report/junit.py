"""Verdict -> JUnit XML, for CI systems."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from stillright.report.controls import without_controls
from stillright.verdict import Check, Verdict

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
CLASS = "stillright.gate"
MOST_IDS = 1_000  # of a check that have a test case of their own


def junit(verdict: Verdict) -> str:
    """JUnit XML: one test case per check, and per id that must pass and does not; no name has a limit's number.

    Names do not hold the limits, so that a system that keeps a history knows a check again after its limit has changed.
    "cannot tell" is an error, since it must not pass as green.
    """
    suite = ElementTree.Element("testsuite", name="stillright gate")
    if verdict.differences:
        properties = ElementTree.SubElement(suite, "properties")
        for difference in verdict.differences:
            ElementTree.SubElement(properties, "property", name="allowed difference", value=_clean(difference))
    for check in verdict.checks:
        _add_check(suite, check)
    for attribute, tag in (("tests", "testcase"), ("failures", "testcase/failure"), ("errors", "testcase/error")):
        suite.set(attribute, str(len(suite.findall(tag))))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _add_check(suite: ElementTree.Element, check: Check) -> None:
    kind = {"pass": None, "fail": "failure"}.get(check.outcome, "error")
    named = [*_all_of("do not pass", check.failing), *_all_of("are unscored or missing", check.unscored)]
    of_task = f"{CLASS}.{check.task}" if check.task else CLASS
    name = check.rule or check.name
    _add_case(suite, of_task, name, kind, check.reason, [check.reason, *named])
    ids = [(sample, "failure", "does not pass") for sample in check.failing]
    ids += [(sample, "error", "is unscored or missing") for sample in check.unscored]
    for sample, kind_of_id, reason in ids[:MOST_IDS]:
        _add_case(suite, of_task, f"{name}: {sample}", kind_of_id, f"{sample} {reason}", [])


def _all_of(what: str, ids: Sequence[str]) -> list[str]:
    return [f"{len(ids):,} {what}:", *ids] if ids else []


def _add_case(
    suite: ElementTree.Element, of_task: str, name: str, kind: str | None, reason: str, lines: list[str]
) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=_clean(of_task), name=_clean(name))
    if kind is not None:
        ElementTree.SubElement(case, kind, message=_clean(reason))
    if lines:
        ElementTree.SubElement(case, "system-out").text = "\n".join(map(_clean, lines))


def _clean(text: str) -> str:
    """`text` on one line, without what XML cannot hold or what would turn it around."""
    return NOT_XML.sub("\ufffd", without_controls(text))
