"""Verdict -> what people and CI systems read: terminal lines, a Markdown summary, JUnit XML."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from rich.console import Console
from rich.text import Text

from stillright.comparison import Comparison
from stillright.report.markdown import cell, markdown, table
from stillright.report.visible import visible
from stillright.verdict import Outcome, Verdict

STYLES: dict[Outcome, str] = {"pass": "green", "fail": "bold red", "cannot tell": "yellow"}
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def headline(verdict: Verdict) -> str:
    """The outcome in one line, with the number of checks of each kind."""
    outcomes = [check.outcome for check in verdict.checks]
    counts = ", ".join(f"{outcomes.count(kind)} {kind}" for kind in STYLES if kind in outcomes)
    return f"gate: {verdict.outcome} ({counts})"


def print_verdict(verdict: Verdict, console: Console) -> None:
    """One line per check, the verdict last."""
    for check in verdict.checks:
        console.print(
            Text.assemble(
                (f"{check.outcome:>11}  ", STYLES[check.outcome]),
                visible(" ".join(f"{check.name}: {check.reason}".split())),
            ),
            soft_wrap=True,
        )
    console.print(Text(headline(verdict), style=STYLES[verdict.outcome]), soft_wrap=True)


def verdict_markdown(verdict: Verdict, comparison: Comparison) -> str:
    """The verdict, its checks, and below them the whole comparison."""
    rows = [[cell(check.name), check.outcome, cell(check.reason)] for check in verdict.checks]
    parts = [f"# {headline(verdict)}", table(["check", "outcome", "reason"], rows, align="---"), markdown(comparison)]
    return "\n\n".join(parts)


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
    """`text` without the control characters that XML cannot hold."""
    return NOT_XML.sub("\ufffd", text)
