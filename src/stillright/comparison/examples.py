"""Answers that an update lost, for people to read: the largest drops first."""

from __future__ import annotations

import polars as pl
from pydantic import BaseModel

from stillright.records import Row

MOST = 10
LONGEST = 10_000  # characters kept of a text
LEAD = 1_000  # of these before the first that differs


class Regression(BaseModel, frozen=True):
    """One sample that old answers better than new; texts as the models wrote them, None if unknown.

    Of texts longer than LONGEST an excerpt, with "…" where it is cut: of prompts the end, of answers from a little
    before their first difference on. reference: the right answers, the first ten; None also for choices, since only
    their numbers are known.
    """

    id: str
    drop: float  # in score; 1 where a right answer became wrong
    prompt: str | None
    reference: tuple[str, ...] | None
    old: str | None
    new: str | None


def worst_regressions(old: pl.DataFrame, new: pl.DataFrame, epsilon: float) -> tuple[Regression, ...]:
    """At most MOST samples of two tables of the same samples, by drop and then in the tables' order."""
    verdict = "right" if "right" in old.columns else "score"
    drops = old[verdict].cast(pl.Float64) - new[verdict].cast(pl.Float64)
    order = drops.arg_sort(descending=True).head(MOST)
    lost = (i for i in order if drops[i] > epsilon)
    return tuple(_regression(old.row(i, named=True), new.row(i, named=True), drops[i]) for i in lost)


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
