"""Answers that an update lost, for people to read: the largest drops first."""

from __future__ import annotations

import polars as pl
from pydantic import BaseModel

from stillright.records import Row

MOST = 10


class Regression(BaseModel, frozen=True):
    """One sample that old answers better than new; texts as the models wrote them, None if unknown.

    reference: the right answers; None also for choices, since only their numbers are known.
    """

    id: str
    drop: float  # how much worse the score is; 1 where a right answer became wrong
    prompt: str | None
    reference: tuple[str, ...] | None
    old: str | None
    new: str | None


def worst_regressions(old: pl.DataFrame, new: pl.DataFrame, epsilon: float, sign: int = 1) -> tuple[Regression, ...]:
    """At most MOST samples of two tables of the same samples, by drop and then in the tables' order.

    sign: -1 where lower scores are better.
    """
    verdict = "right" if "right" in old.columns else "score"
    drops = sign * (old[verdict].cast(pl.Float64) - new[verdict].cast(pl.Float64))
    order = drops.arg_sort(descending=True).head(MOST)
    lost = (i for i in order if drops[i] > epsilon)
    return tuple(_regression(old.row(i, named=True), new.row(i, named=True), drops[i]) for i in lost)


def _regression(old: Row, new: Row, drop: float) -> Regression:
    known = old["choices"] is None and old["reference"] is not None
    return Regression(
        id=old["id"],
        drop=drop,
        prompt=old["prompt"],
        reference=tuple(old["reference"]) if known else None,
        old=_text(old),
        new=_text(new),
    )


def _text(row: Row) -> str | None:
    text: str | None = row["prediction"] if row["output"] is None else row["output"]
    return text
