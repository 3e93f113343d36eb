"""Page -> Markdown, for a file or a CI summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from stillright.report.controls import without_controls
from stillright.report.differences import LONGEST, Part
from stillright.report.page import (
    Block,
    Chart,
    Checks,
    Explorer,
    Flows,
    Headline,
    Lines,
    LostAnswers,
    Page,
    Plane,
    Section,
    Table,
    Terms,
)

EXAMPLES = 5
MARKS = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "&#92;", "$": "&#36;", **{mark: f"\\{mark}" for mark in "|`*[]"}}
# what becomes a link, or calls somebody, without any mark: an invisible space in it prevents that
LINKS = re.compile(r"@|:(?=//)|www(?=\.)|[#!](?=\d)|^#+", re.IGNORECASE)


def cell(text: str | None) -> str:
    """`text` on one line, with anything Markdown or HTML would interpret made harmless."""
    folded = " ".join((text or "").split())
    return escaped(folded if len(folded) <= LONGEST else f"…{folded[-LONGEST:]}")


def escaped(text: str) -> str:
    """`text` with anything Markdown or HTML would interpret made harmless, and control characters made visible."""
    plain = "".join(MARKS.get(character, character) for character in without_controls(text))
    return LINKS.sub(lambda link: f"{link[0]}&#8203;", plain)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str = "---:") -> str:
    """A Markdown table of cells as they are; the first column is text, the others numbers unless align is "---"."""
    lines = [head, ["---", *(align for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def markdown(page: Page) -> str:
    """The whole page."""
    head = [f"# {cell(page.title)}", _block(Lines(page.summary)), escaped(page.note)]
    return _joined([*head, sections(page.sections)]) + "\n"


def sections(of_page: Iterable[Section]) -> str:
    """Some sections, each under its title."""
    return _joined(part for section in of_page for part in _section(section))


def _section(section: Section) -> list[str]:
    return [f"## {cell(section.title)}" if section.title else "", *map(_block, section.blocks)]


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)


def _block(block: Block) -> str:
    match block:
        case Lines(lines):
            return _list(lines)
        case Table(head, rows):
            return table(list(map(cell, head)), [[cell(label), *numbers] for label, *numbers in rows])
        case Headline() | Flows() | Chart() | Plane() | Explorer():
            return ""
        case Terms(meanings):
            return _list(f"{term}: {text}" for term, text in meanings)
        case LostAnswers():
            return _lost_answers(block)
        case Checks(rows):
            return table(("check", "outcome", "reason"), [list(map(cell, row)) for row in rows], align="---")


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)


def _lost_answers(lost: LostAnswers) -> str:
    shown = lost.answers[:EXAMPLES]
    rows = [[cell(each.label), cell(each.prompt), _words(each.old), _words(each.new)] for each in shown]
    head = ["id", "prompt", cell(lost.old), cell(lost.new)]
    return f"{len(shown)} {lost.total}\n\n{table(head, rows, align='---')}"


def _words(parts: list[Part] | None) -> str:
    return escaped(" ".join(part.text for part in parts or ()))
