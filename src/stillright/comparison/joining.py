"""Files that number the same documents differently: their samples are joined by what they ask, not by their ids.

A suite that grew at its head, or was filtered or reordered, gives every test another number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import polars as pl

from stillright.comparison.agreement import same_prompts, unequal
from stillright.comparison.models import Model
from stillright.records import PredictionSet


class Joined(NamedTuple):
    """The models, and whether their samples have what they ask in place of their ids."""

    models: list[Model[PredictionSet]]
    by_content: bool


def joined(models: list[Model[PredictionSet]]) -> Joined:
    """The models, with what samples ask as ids if an id stands for two questions and this tells all samples apart."""
    runs = [run for model in models for run in model.runs]
    if not _numbered_differently(runs) or not _told_apart_by_content(runs):
        return Joined(models, by_content=False)
    return Joined([Model(name, [_by_content(run) for run in each]) for name, each in models], by_content=True)


def _numbered_differently(runs: Sequence[PredictionSet]) -> bool:
    """Whether some id has another document, and also another prompt, than in the first file."""
    first = runs[0].table
    for run in runs[1:]:
        if any(len(table) == table["asked"].null_count() for table in (first, run.table)):
            continue  # nothing to compare, and joins of a million rows take their time
        here, there = _of_ids_in_both(first, run.table)
        rows = unequal(here, there, "asked")
        if rows.any() and not same_prompts(here, there, rows):
            return True
    return False


def _of_ids_in_both(first: pl.DataFrame, second: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    if first["id"].equals(second["id"]):
        return first, second
    both = first.select("id").join(second.select("id"), on="id", maintain_order="left")
    here, there = (both.join(table, on="id", how="left", maintain_order="left") for table in (first, second))
    return here, there


def _told_apart_by_content(runs: Sequence[PredictionSet]) -> bool:
    """Whether every sample has a document of its own, and some document is in all files."""
    asked = [run.table["asked"] for run in runs]
    if any(each.null_count() or each.n_unique() < len(each) for each in asked):
        return False
    return bool(pl.select(pl.all_horizontal(asked[0].is_in(each.implode()) for each in asked)).to_series().any())


def _by_content(run: PredictionSet) -> PredictionSet:
    return replace(run, table=run.table.with_columns(id=pl.col("asked")))
