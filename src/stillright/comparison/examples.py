"""Answers that an update lost, for people to read: the largest drops first."""

from __future__ import annotations

import polars as pl
from pydantic import BaseModel

MOST = 10


class Regression(BaseModel, frozen=True):
    """One sample that old answers better than new; texts as the models wrote them, None if unknown.

    reference: the right answers; None also for choices, since only their numbers are known.
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
    return tuple(
        Regression(
            id=old["id"][i],
            drop=drops[i],
            prompt=old["prompt"][i],
            reference=_reference(old, i),
            old=_answer(old, i),
            new=_answer(new, i),
        )
        for i in order
        if drops[i] > epsilon
    )


def _reference(table: pl.DataFrame, i: int) -> tuple[str, ...] | None:
    """The right answers as texts; for choices only their numbers are known."""
    if table["choices"][i] is not None or table["reference"][i] is None:
        return None
    return tuple(table["reference"][i])


def _answer(table: pl.DataFrame, i: int) -> str | None:
    output: str | None = table["output"][i]
    return table["prediction"][i] if output is None else output
