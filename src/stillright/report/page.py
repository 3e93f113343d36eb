"""A report as plain data: what it says, in which order. Renderers know these classes and nothing else.

A new kind of block is a class here, part of Block, and a case in html, markdown and terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from stillright.report.differences import Part
from stillright.stats import Estimate

if TYPE_CHECKING:
    import polars as pl


class Lines(NamedTuple):
    """Sentences, each on a line of its own."""

    lines: Sequence[str]


class Table(NamedTuple):
    """Words in the head and the first column, which may come from files; our own numbers in the others."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Headline(NamedTuple):
    """The numbers that matter most, one column a model. Only HTML shows them apart: elsewhere they lead the metrics."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Ribbon(NamedTuple):
    """The samples that go from one source to one target. share: of all samples; text: the same in words."""

    source: int
    target: int
    part: str  # of words.COUNTS
    label: str
    share: float
    text: str


class Flow(NamedTuple):
    """What became of old's answers in one model: ribbons between what they were and what they are."""

    name: str
    sources: Sequence[str]
    targets: Sequence[str]
    ribbons: Sequence[Ribbon]


class Flows(NamedTuple):
    """A flow a model. Only HTML draws it: a table says the same."""

    flows: Sequence[Flow]


class Whiskers(NamedTuple):
    """Estimates on one line each, on the scale that a chart's rows share."""

    estimates: Sequence[Estimate]


class Balance(NamedTuple):
    """How many samples got worse, drawn to the left, and how many got better, to the right."""

    lost: int
    gained: int


class Charted(NamedTuple):
    """A row of a chart: its words and numbers, and what is drawn beside them."""

    cells: Sequence[str]
    mark: Whiskers | Balance


class Chart(NamedTuple):
    """A table with a picture beside the first column. Only HTML draws it. order: how the rows are sorted, in words."""

    head: Sequence[str]
    rows: Sequence[Charted]
    order: str


class Point(NamedTuple):
    """A model by its score and its NFR."""

    name: str
    score: Estimate
    nfr: Estimate


class Plane(NamedTuple):
    """Models by score, to the right, and NFR, upwards; old, which loses nothing, by its score alone. Only HTML."""

    score: str  # what it is called
    is_percent: bool  # whether scores are shown in percent
    old: Point
    points: Sequence[Point]


class Explorer(NamedTuple):
    """Samples to filter, sort and read, one row each (docs/flips.md). Only HTML shows them.

    models: the names of old, new and candidates by the beginning of their columns. of_scores: not of right and wrong
    answers. lost_is_lower: whether a lower score is worse. note: which samples these are, where some are left out, and
    which texts were cut.
    """

    models: Mapping[str, str]
    samples: pl.DataFrame
    of_scores: bool
    lost_is_lower: bool
    note: str


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


Block = Lines | Table | Terms | LostAnswers | Checks | Headline | Flows | Chart | Plane | Explorer


class Section(NamedTuple):
    """Blocks under a title, if it has one. folded: shown in HTML only once a reader asks for it."""

    title: str
    blocks: Sequence[Block]
    folded: bool = False


class Page(NamedTuple):
    """A whole report. outcome: of a gate, else empty."""

    title: str
    summary: Sequence[str]
    note: str
    sections: Sequence[Section]
    outcome: str = ""
