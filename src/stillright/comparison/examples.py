"""Samples for people to read: the answers that an update lost, the largest drops first; one answer, to see its form."""

from __future__ import annotations

import polars as pl
from pydantic import BaseModel

from stillright.records import Row
from stillright.scoring.exact import quasi_exact_match

MOST = 10
LOOKED_AT = 1_000  # samples, for an answer that differs from its reference in form alone
SHOWN = 60  # characters of either


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
