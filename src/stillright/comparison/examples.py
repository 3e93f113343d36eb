"""Samples for people to read: the answers that an update lost, the largest drops first; one answer, to see its form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic import BaseModel

from stillright.records import Row
from stillright.scoring.exact import quasi_exact_match

MOST = 10
LOOKED_AT = 1_000  # samples, for an answer that differs from its reference in form alone
SHOWN = 60  # characters of either
LONGEST = 10_000  # characters kept of a text
LEAD = 1_000  # of these before the first that differs


class Regression(BaseModel, frozen=True):
    """One sample that old answers better than new; texts as the models wrote them, None if unknown.

    Of texts longer than LONGEST an excerpt, with "…" where it is cut: of prompts the end, of answers from a little
    before their first difference on. reference: the right answers, the first ten; None also for choices, since only
    their numbers are known.
    """

    id: str
    drop: float  # how much worse the score is; 1 where a right answer became wrong
    prompt: str | None
    reference: tuple[str, ...] | None
    old: str | None
    new: str | None


class Worst(NamedTuple):
    """The largest drops, and of how many."""

    shown: tuple[Regression, ...]
    of: int


def worst_regressions(old: pl.DataFrame, new: pl.DataFrame, epsilon: float, sign: int = 1) -> Worst:
    """At most MOST samples of two tables of the same samples, by drop; of equal drops, as of all right answers that
    became wrong, those that come first are drawn with a fixed seed.

    sign: -1 where lower scores are better.
    """
    verdict = "right" if "right" in old.columns else "score"
    drops = sign * (old[verdict].cast(pl.Float64) - new[verdict].cast(pl.Float64)).to_numpy()
    drawn = np.random.default_rng(0).permutation(np.flatnonzero(drops > epsilon))
    order = drawn[np.argsort(-drops[drawn], kind="stable")][:MOST].tolist()
    shown = (_regression(old.row(i, named=True), new.row(i, named=True), float(drops[i])) for i in order)
    return Worst(tuple(shown), len(drawn))


def _regression(old: Row, new: Row, drop: float) -> Regression:
    known = old["choices"] is None and old["reference"] is not None
    prompt, before, now = old["prompt"], _text(old), _text(new)
    start = max(0, _first_difference(before or "", now or "") - LEAD)
    return Regression(
        id=_excerpt(old["id"], 0),
        drop=drop,
        prompt=None if prompt is None else _excerpt(prompt, len(prompt) - LONGEST),
        reference=tuple(_excerpt(each, 0) for each in old["reference"][:MOST]) if known else None,
        old=None if before is None else _excerpt(before, start),
        new=None if now is None else _excerpt(now, start),
    )


def _excerpt(text: str, start: int) -> str:
    """A part of the text from `start` on; the whole of one that is short."""
    if len(text) <= LONGEST:
        return text
    start = min(max(0, start), len(text) - LONGEST)
    end = start + LONGEST
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def _first_difference(a: str, b: str) -> int:
    """The number of characters that both begin with."""
    low, high = 0, min(len(a), len(b))
    while low < high:  # comparing halves is quick even for millions of characters
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle - 1)
    return low


def _text(row: Row) -> str | None:
    text: str | None = row["prediction"] if row["output"] is None else row["output"]
    return text


def answer_beside_reference(table: pl.DataFrame) -> str:
    """One answer of a PredictionSet's table and its reference, in words; empty if no sample has both.

    It is one that differs in form alone, if there is such a one.
    """
    both = table.select("id", pl.coalesce("prediction", "output").alias("answer"), "reference").drop_nulls()
    rows = both.head(LOOKED_AT).rows()
    alike = [row for row in rows if _differ_in_form(row[1], row[2])]
    if not rows:
        return ""
    sample, answer, reference = (alike or rows)[0]
    shown = " or ".join(repr(text[:SHOWN]) for text in reference[:2])
    likely = "their formats differ" if alike else "their formats may differ"
    return f"{likely}: sample {sample!r} answers {answer[:SHOWN]!r}, and its reference is {shown}"


def _differ_in_form(answer: str, reference: list[str]) -> bool:
    return answer not in reference and any(quasi_exact_match(answer, text) for text in reference)
