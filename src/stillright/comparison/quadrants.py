"""The parts into which an update divides samples, a negative flip among them: the one definition of each."""

from __future__ import annotations

import numpy as np

from stillright.stats import Array


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
