"""How alike the old and the new text of a sample are, by quadrant.

Flips show whether an answer became wrong; this shows how much else of it changed.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from pydantic import BaseModel

from stillright.clusters import mean_of_fractions
from stillright.comparison.quadrants import parts_between
from stillright.scoring.rouge import rouge1
from stillright.scoring.words import words
from stillright.significance import Array
from stillright.stats import Estimate

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


def likeness(
    old: pl.DataFrame, new: pl.DataFrame, epsilon: float, sign: int = 1, cluster: pl.Series | None = None
) -> Likeness | None:
    """The likeness of two tables of the same samples; None if outputs are missing or choices, or if none has words.

    sign: -1 where lower scores are better. cluster: (n,), the number of each sample's.
    """
    if old["choices"].null_count() < len(old) or old["output"].null_count() or new["output"].null_count():
        return None
    numbers = None if cluster is None else cluster.to_numpy()
    if len(old) > MOST:
        drawn = np.sort(np.random.default_rng(0).choice(len(old), MOST, replace=False))
        old, new, numbers = old[drawn], new[drawn], None if numbers is None else numbers[drawn]
    before, now = old["output"].to_list(), new["output"].to_list()
    values = np.array([_alike(a, b) for a, b in zip(before, now, strict=True)])
    known = ~np.isnan(values)
    if not known.any():
        return None
    parts = parts_between(old, new, epsilon, sign)

    def mean(which: Array) -> Estimate:
        return mean_of_fractions(values[which], None if numbers is None else numbers[which])

    found = {name: mean(known & (parts[name] > 0)) for name in ORDER if name in parts}
    occurring = {name: each for name, each in found.items() if each.value is not None}
    return Likeness(pairs=int(known.sum()), similarity=mean(known), parts=occurring)


def _alike(before: str, now: str) -> float:
    """ROUGE-1 of two texts, which is symmetric; NaN if they differ and neither has a word."""
    if before == now:
        return 1.0
    return rouge1(before, now) if words(before) or words(now) else math.nan
