"""Scores outputs anew: S(output, reference) of every sample, in place of the scores in its file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from stillright.errors import ConfigError, DataError, NothingScored, did_you_mean, spelled
from stillright.records import PredictionSet
from stillright.scoring import SCORES
from stillright.scoring.judge import JudgeSettings, judge
from stillright.significance import Array

RIGHT_OR_WRONG = ("exact_match", "quasi_exact_match")


def rescored(results: PredictionSet, score: str | JudgeSettings) -> PredictionSet:
    """`results` with the score of that name, or a judge's; discrete for exact matches, else continuous.

    A sample without an output, or (but for a judge) without a reference, is left unscored, as is one that the score
    cannot judge. Raises ConfigError for an unknown score, DataError for choices, whose reference is a number or a
    letter, not a text, and if no sample can be scored, and whatever the score raises.
    """
    name = "judge" if isinstance(score, JudgeSettings) else score
    if name != "judge" and results.table["choices"].is_not_null().any():
        raise DataError(
            f"{results.name}: score={name!r}: its answers are choices, already right or wrong; "
            "compare them without a score"
        )
    needed = ("output",) if name == "judge" else ("output", "reference")
    known = results.table.select(pl.all_horizontal(pl.col(column).is_not_null() for column in needed)).to_series()
    values = np.full(len(known), np.nan)
    values[known.to_numpy()] = _values(results.table.filter(known), score)
    scores = pl.Series("score", values).fill_nan(None)
    if scores.null_count() == len(scores):
        raise NothingScored(
            f"{results.name}: score={name!r}: no sample can be scored; {_why_none(results.table, name)}"
        )
    right = scores == 1.0
    discrete = name in RIGHT_OR_WRONG
    table = results.table.with_columns(
        score=None if discrete else scores,
        correct=right if discrete else None,
        prediction=pl.col("output") if discrete else None,
    )
    of_score = {"metric": name, "kind": "discrete" if discrete else "continuous", "lower_is_better": False}
    header = results.header.model_copy(update=of_score)
    return replace(results, header=header, table=table.cast(results.table.schema), guessed=False)


def _why_none(table: pl.DataFrame, name: str) -> str:
    """Why no sample of a table has this score, and what a user can do about it."""
    missing = [each for each in ("output", "reference") if table[each].null_count() == len(table)]
    if "output" in missing:
        return f"none has an output; name the texts to score with {_column('output')}"
    if name == "judge":
        return "no reply of the judge holds a clear grade"
    if missing:
        return f"none has a reference, a right answer; name it with {_column('reference')}"
    return "no reference has anything that it counts, such as a word; choose another score"


def _column(name: str) -> str:
    return spelled(command=f"--column {name}=THEIRS", python=f"column {name}=THEIRS")


def _values(table: pl.DataFrame, score: str | JudgeSettings) -> Array:
    outputs = table["output"].to_list()
    references = [each or [] for each in table["reference"].to_list()]
    if isinstance(score, JudgeSettings):
        return judge([prompt or "" for prompt in table["prompt"].to_list()], outputs, references, score)
    if score not in SCORES:
        hint = did_you_mean(score, SCORES) or f"there are {', '.join(SCORES)}"
        raise ConfigError(f"score={score!r}: no such score; {hint}")
    return SCORES[score](outputs, references) if outputs else np.empty(0)
