"""What compare() and gate() take -> models with their runs, read and, where asked for, scored anew."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypedDict, TypeVar

import polars as pl

from stillright.comparison.pairing import OnMissing
from stillright.comparison.rescore import rescored
from stillright.importers import Selection, read_frame, read_predictions
from stillright.records import PredictionSet
from stillright.scoring.judge import JudgeSettings

Run = TypeVar("Run")


class Model(NamedTuple, Generic[Run]):
    """A model and its runs: PredictionSets as they are read, tables of the same samples once they are paired."""

    name: str
    runs: list[Run]


class Frame(Protocol):
    """A Polars or pandas frame."""

    columns: Any


Results = str | Path | PredictionSet | Frame


class Settings(TypedDict, total=False):
    """How models are compared, by name; ComparisonSettings has the defaults."""

    selection: Selection | None
    score: str | JudgeSettings | None
    on_missing: OnMissing
    allow: Collection[str]
    epsilon: float
    cluster: str | None
    measures: Sequence[str]


class Options(Settings, total=False):
    """What compare() and gate() both take besides models, by name."""

    old_runs: Sequence[Results]
    new_runs: Sequence[Results]


def read_models(
    old: Sequence[Results], new: Sequence[Results], candidates: Sequence[Results], selection: Selection
) -> list[Model[PredictionSet]]:
    """Old and new with their runs, then the candidates; models of one name are told apart by their places.

    A frame has the name of its place. Raises what reading raises.
    """
    places = {"old": old, "new": new, **{f"candidate {i}": [each] for i, each in enumerate(candidates, start=1)}}
    runs = {place: [_read(run, selection, place) for run in given] for place, given in places.items()}
    names = [each[0].name for each in runs.values()]
    return [
        Model(f"{name} ({place})" if names.count(name) > 1 else name, runs[place])
        for name, place in zip(names, places, strict=True)
    ]


def scored_alike(
    models: Sequence[Model[PredictionSet]], score: str | JudgeSettings | None
) -> list[Model[PredictionSet]]:
    """The models, scored anew if there is a `score`; verdicts guessed from numbers are scores where others' are."""
    if score is not None:
        models = [Model(model.name, [rescored(run, score) for run in model.runs]) for model in models]
    scored = {run.header.metric for model in models for run in model.runs if run.kind == "continuous"}
    return [
        Model(
            model.name, [_as_scores(run) if run.guessed and run.header.metric in scored else run for run in model.runs]
        )
        for model in models
    ]


def _read(results: Results, selection: Selection, place: str) -> PredictionSet:
    if isinstance(results, PredictionSet):
        return results
    if isinstance(results, str | Path):
        return read_predictions(results, selection)
    return read_frame(results, place, selection)


def _as_scores(run: PredictionSet) -> PredictionSet:
    """Verdicts guessed from values of 0 and 1, as the scores that they are if another run of the metric has scores."""
    header = run.header.model_copy(update={"kind": "continuous"})
    score, none = pl.col("correct").cast(pl.Float64).alias("score"), pl.lit(None, pl.Boolean).alias("correct")
    return replace(run, header=header, table=run.table.with_columns(score, none), guessed=False)
