"""What became of each answer or score from one model to another: the parts that a comparison counts.

Knows arrays and tables of the same samples, neither runs nor metrics.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from stillright.significance import Array


def quadrants(old: Array, new: Array) -> dict[str, Array]:
    """Of right and wrong answers: gain, regression (a negative flip), both_right and both_wrong; they sum to 1, (n,).

    old, new: (n,), 1 where the model is right and 0 where it is wrong, or the share of its runs that are right: then
    parts are means over pairs of runs.
    """
    return {
        "gain": (1 - old) * new,
        "regression": old * (1 - new),
        "both_right": old * new,
        "both_wrong": (1 - old) * (1 - new),
    }


def score_parts(old: Array, new: Array, epsilon: float = 0.0) -> dict[str, Array]:
    """Of scores: gain, regression (a negative flip) and unchanged, each 0 or 1, (n,).

    old, new: (n,). epsilon: changes up to this size do not count.
    """
    difference = new - old
    parts = {
        "gain": difference > epsilon,
        "regression": difference < -epsilon,
        "unchanged": np.abs(difference) <= epsilon,
    }
    return {name: part.astype(np.float64) for name, part in parts.items()}


def parts_between(old: pl.DataFrame, new: pl.DataFrame, epsilon: float, sign: int) -> dict[str, Array]:
    """`quadrants` of two tables of the same samples that have `right`, else `score_parts`.

    sign: -1 where lower scores are better.
    """
    if "right" in old.columns:
        return quadrants(*(table["right"].cast(pl.Float64).to_numpy() for table in (old, new)))
    return score_parts(sign * old["score"].to_numpy(), sign * new["score"].to_numpy(), epsilon)


def exchanged(by_new: Array, by_candidate: Array) -> dict[str, Array]:
    """Of answers that old has: restored (lost by new, kept by the candidate) and newly_lost (kept by new, lost by the
    candidate), each 0 or 1, (n,).

    by_new, by_candidate: (n,), 1 for a negative flip against the same run of old, else 0. So the mean of newly_lost
    less that of restored is NFR of the candidate less that of new.
    """
    return {"restored": by_new * (1 - by_candidate), "newly_lost": by_candidate * (1 - by_new)}
