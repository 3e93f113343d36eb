"""How alike the old and the new text of a sample are, by quadrant.

Flips show whether an answer became wrong; this shows how much else of it changed.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from pydantic import BaseModel

from stillright.comparison.tally import parts_between
from stillright.scoring.rouge import rouge1
from stillright.scoring.words import words
from stillright.significance import Array
from stillright.stats import Estimate, mean_interval, within

MOST = 10_000  # pairs of texts compared; if there are more, this many drawn with a fixed seed
ORDER = ("both_right", "gain", "both_wrong", "unchanged", "regression")


class Likeness(BaseModel, frozen=True):
    """Mean ROUGE-1 F-measure between the old and the new output (1: the same words), over `pairs` samples.

    Two different texts without a word, which no word can compare, are left out.

    parts: the same by quadrant, or for continuous results by gain, unchanged and regression; only those that occur.
    """

    pairs: int
    similarity: Estimate
    parts: dict[str, Estimate]


def likeness(old: pl.DataFrame, new: pl.DataFrame, epsilon: float, sign: int = 1) -> Likeness | None:
    """The likeness of two tables of the same samples; None if outputs are missing or choices, or if none has words.

    sign: -1 where lower scores are better.
    """
    if old["choices"].null_count() < len(old) or old["output"].null_count() or new["output"].null_count():
        return None
    if len(old) > MOST:
        drawn = np.sort(np.random.default_rng(0).choice(len(old), MOST, replace=False))
        old, new = old[drawn], new[drawn]
    before, now = old["output"].to_list(), new["output"].to_list()
    values = np.array([_alike(a, b) for a, b in zip(before, now, strict=True)])
    known = ~np.isnan(values)
    if not known.any():
        return None
    values = values[known]
    parts = {name: part[known] for name, part in parts_between(old, new, epsilon, sign).items()}
    found = {name: _mean(values[parts[name] > 0]) for name in ORDER if name in parts and parts[name].any()}
    return Likeness(pairs=len(values), similarity=_mean(values), parts=found)


def _alike(before: str, now: str) -> float:
    """ROUGE-1 of two texts, which is symmetric; NaN if they differ and neither has a word."""
    if before == now:
        return 1.0
    return rouge1(before, now) if words(before) or words(now) else math.nan


def _mean(values: Array) -> Estimate:
    return within(mean_interval(values, np.ones(len(values))), 0.0, 1.0)
