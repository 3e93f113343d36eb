"""How alike the old and the new text of a sample are, by quadrant.

Flips show whether an answer became wrong; this shows how much else of it changed.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import BaseModel

from stillright.comparison.tally import quadrants, score_parts
from stillright.scoring.rouge import rouge_score
from stillright.significance import Array
from stillright.stats import Estimate, mean_interval, within

MOST = 10_000  # pairs of texts compared; if there are more, this many drawn with a fixed seed
ORDER = ("both_right", "gain", "both_wrong", "unchanged", "regression")


class Likeness(BaseModel, frozen=True):
    """Mean ROUGE-1 F-measure between the old and the new output (1: the same words), over `pairs` samples.

    parts: the same by quadrant, or for continuous results by gain, unchanged and regression; only those that occur.
    """

    pairs: int
    similarity: Estimate
    parts: dict[str, Estimate]


def likeness(old: pl.DataFrame, new: pl.DataFrame, epsilon: float, sign: int = 1) -> Likeness | None:
    """The likeness of two tables of the same samples; None if outputs are missing or are given choices.

    sign: -1 where lower scores are better.
    """
    if old["choices"].null_count() < len(old) or old["output"].null_count() or new["output"].null_count():
        return None
    if len(old) > MOST:
        drawn = np.sort(np.random.default_rng(0).choice(len(old), MOST, replace=False))
        old, new = old[drawn], new[drawn]
    before, now = old["output"].to_list(), new["output"].to_list()
    same = np.array([a == b for a, b in zip(before, now, strict=True)])  # also where neither has a word
    values = np.where(same, 1.0, rouge_score("rouge1")(before, [[text] for text in now]))
    parts = _parts(old, new, epsilon, sign)
    found = {name: _mean(values[parts[name] > 0]) for name in ORDER if name in parts and parts[name].any()}
    return Likeness(pairs=len(values), similarity=_mean(values), parts=found)


def _parts(old: pl.DataFrame, new: pl.DataFrame, epsilon: float, sign: int) -> dict[str, Array]:
    if "right" in old.columns:
        return quadrants(*(table["right"].cast(pl.Float64).to_numpy() for table in (old, new)))
    return score_parts(sign * old["score"].to_numpy(), sign * new["score"].to_numpy(), epsilon)


def _mean(values: Array) -> Estimate:
    return within(mean_interval(values, np.ones(len(values))), 0.0, 1.0)
