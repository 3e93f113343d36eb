"""The verdict of the gate as GitHub shows it: an error line for each check that does not pass, and a short comment.

    python scripts/action/say.py stillright-gate.xml OUTCOME comment.md

Prints workflow commands; texts from results are escaped, so that they are no commands themselves, and mention nobody.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

MARK = "<!-- stillright gate -->"  # by which a later run finds the comment
MOST = 50  # checks named; GitHub shows ten errors of a step
LONGEST = 1_000  # characters of a reason
OUTCOMES = {"failure": "fail", "error": "not judged"}


class Check(NamedTuple):
    """A test case of the JUnit file."""

    outcome: str
    text: str


def main() -> None:
    checks = read_checks(Path(sys.argv[1]))
    for check in [check for check in checks if check.outcome != "pass"][:MOST]:
        print(f"::error title=stillright gate::{escaped(check.text)}")
    lines = [f"- **{check.outcome}** {quiet(check.text)}" for check in checks[:MOST]]
    Path(sys.argv[3]).write_text("\n".join([MARK, f"### Model gate: {sys.argv[2]}", "", *lines, ""]), encoding="utf-8")


def read_checks(junit: Path) -> list[Check]:
    """What each check found, or one that says that there is no verdict, as after a crash."""
    try:
        return [_check(case) for case in ElementTree.parse(junit).getroot().iter("testcase")]
    except (OSError, ElementTree.ParseError):
        return [Check("error", "gate: no verdict was written; the log of this step says why")]


def _check(case: ElementTree.Element) -> Check:
    problem = next((found for found in case if found.tag in OUTCOMES), None)
    reason = (case.findtext("system-out") if problem is None else problem.get("message")) or ""
    text = f"{case.get('name')}: {reason}"[:LONGEST]
    return Check("pass" if problem is None else OUTCOMES[problem.tag], " ".join(text.split()))


def escaped(text: str) -> str:
    """As the runner reads the text of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def quiet(text: str) -> str:
    """As code, in which nothing is a link, a mention or markup."""
    return f"`{text.replace('`', chr(39))}`"


if __name__ == "__main__":
    main()
