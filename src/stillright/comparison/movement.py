"""How far outputs moved at all: similarity of the old and the new text of a sample, by quadrant.

Flips show whether an answer became wrong; this shows how much else of it changed.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from stillright.scoring.rouge import similarity
from stillright.stats import Array, Estimate, estimate, resampled_means

MOST = 10_000  # pairs of texts compared; if there are more, this many drawn with a fixed seed


class Movement(BaseModel):
    """Mean ROUGE-1 F-measure between the old and the new output (1: the same words), over `pairs` samples.

    parts: the same by quadrant, or for continuous results by gain, unchanged and regression; only those that occur.
    """

    model_config = ConfigDict(frozen=True)

    pairs: int
    similarity: Estimate
    parts: dict[str, Estimate]


def movement(old: pl.DataFrame, new: pl.DataFrame, epsilon: float) -> Movement | None:
    """The movement between two tables of the same samples; None if outputs are missing or are given choices."""
    if old["choices"].null_count() < len(old) or old["output"].null_count() or new["output"].null_count():
        return None
    if len(old) > MOST:
        kept = np.sort(np.random.default_rng(0).choice(len(old), MOST, replace=False))
        old, new = old[kept], new[kept]
    before, now = old["output"].to_list(), new["output"].to_list()
    same = np.array([a == b for a, b in zip(before, now, strict=True)])  # also where neither has a word
    values = np.where(same, 1.0, similarity(before, now))
    parts = _parts(old, new, epsilon)
    found = {name: _mean(values[parts == name]) for name in ORDER if (parts == name).any()}
    return Movement(pairs=len(values), similarity=_mean(values), parts=found)


ORDER = ("both_right", "gain", "both_wrong", "unchanged", "regression")


def _parts(old: pl.DataFrame, new: pl.DataFrame, epsilon: float) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    if "right" in old.columns:
        before, now = old["right"].to_numpy(), new["right"].to_numpy()
        return np.where(now, np.where(before, "both_right", "gain"), np.where(before, "regression", "both_wrong"))
    difference = new["score"].to_numpy() - old["score"].to_numpy()
    return np.where(difference > epsilon, "gain", np.where(difference < -epsilon, "regression", "unchanged"))


def _mean(values: Array) -> Estimate:
    return estimate(resampled_means({"value": values}, np.ones(len(values)))["value"])
