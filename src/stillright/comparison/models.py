"""What compare() and gate() take -> models with their runs, read and, where asked for, scored anew."""

from __future__ import annotations

from collections.abc import Sequence
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


class Options(TypedDict, total=False):
    """What compare() and gate() both take besides models, by name."""

    old_runs: Sequence[Results]
    new_runs: Sequence[Results]
    selection: Selection | None
    score: str | JudgeSettings | None
    on_missing: OnMissing
    epsilon: float


def read_models(
    old: Sequence[Results],
    new: Sequence[Results],
    candidates: Sequence[Results],
    selection: Selection,
    score: str | JudgeSettings | None,
) -> list[Model[PredictionSet]]:
    """Old and new with their runs, then the candidates; models of one name are told apart by their places.

    A frame has the name of its place. Raises what reading and scoring raise.
    """
    selection = replace(selection, anew=score is not None)
    places = {"old": old, "new": new, **{f"candidate {i}": [each] for i, each in enumerate(candidates, start=1)}}
    runs = {place: [_read(run, selection, score, place) for run in given] for place, given in places.items()}
    scored = {run.header.metric for each in runs.values() for run in each if run.kind == "continuous"}
    names = [each[0].name for each in runs.values()]
    return [
        Model(
            f"{name} ({place})" if names.count(name) > 1 else name,
            [_as_scores(run) if run.guessed and run.header.metric in scored else run for run in runs[place]],
        )
        for name, place in zip(names, places, strict=True)
    ]


def _read(results: Results, selection: Selection, score: str | JudgeSettings | None, place: str) -> PredictionSet:
    if isinstance(results, PredictionSet):
        run = results
    elif isinstance(results, str | Path):
        run = read_predictions(Path(results), selection)
    else:
        run = read_frame(results, place, selection)
    return run if score is None else rescored(run, score)


def _as_scores(run: PredictionSet) -> PredictionSet:
    """Verdicts guessed from values of 0 and 1, as the scores that they are if another run of the metric has scores."""
    header = run.header.model_copy(update={"kind": "continuous"})
    score, none = pl.col("correct").cast(pl.Float64).alias("score"), pl.lit(None, pl.Boolean).alias("correct")
    return PredictionSet(header, run.table.with_columns(score, none))
