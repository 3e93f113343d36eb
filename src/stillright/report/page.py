"""A report as plain data: what it says, in which order. Renderers know these classes and nothing else.

A new kind of block is a class here, part of Block, and a case in html, markdown and terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stillright.report.differences import Part


class Lines(NamedTuple):
    """Sentences, each on a line of its own."""

    lines: Sequence[str]


class Table(NamedTuple):
    """Words in the head and the first column, which may come from files; our own numbers in the others."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Bars(NamedTuple):
    """One bar a model, whose parts are as wide as their shares. Only HTML draws it: a table says the same."""

    labels: Mapping[str, str]  # of each part, in the order drawn
    shares: Sequence[tuple[str, Mapping[str, float]]]  # name and shares of each model


class Terms(NamedTuple):
    """Words and what they mean, to look up in a file; left out on a terminal. title: what they are folded under."""

    meanings: Sequence[tuple[str, str]]
    title: str = ""


class LostAnswer(NamedTuple):
    """One sample that old answers better. old, new: cut near their first difference, None if unknown."""

    label: str
    prompt: str
    reference: str
    old: list[Part] | None
    new: list[Part] | None


class LostAnswers(NamedTuple):
    """The answers of `old` that `new` lost, the largest drops first; a renderer shows as many as it has room for."""

    old: str
    new: str
    answers: Sequence[LostAnswer]
    total: str  # "of 19", and how they were chosen


class Checks(NamedTuple):
    """The rules of a policy: name, outcome and reason of each."""

    rows: Sequence[tuple[str, str, str]]


Block = Lines | Table | Bars | Terms | LostAnswers | Checks


class Section(NamedTuple):
    """Blocks under a title, if it has one."""

    title: str
    blocks: Sequence[Block]


class Page(NamedTuple):
    """A whole report. outcome: of a gate, else empty."""

    title: str
    summary: Sequence[str]
    note: str
    sections: Sequence[Section]
    outcome: str = ""
