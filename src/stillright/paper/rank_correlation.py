"""Spearman's rank correlation with a permutation test. Knows only numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from stillright.stats import Array

MOST_EXACT = 8  # points whose orders are all tried: 40,320
DRAWN = 20_000  # orders tried of more points


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> tuple[float | None, float | None]:
    """Spearman's rho (1904), ties with their mean rank, and its two-sided p over permutations of `b`.

    Tries all orders of up to MOST_EXACT points, and DRAWN ones of more, with a fixed seed. (None, None) for fewer than
    three points, or where one side does not vary.
    """
    if len(a) < 3 or len(set(a)) == 1 or len(set(b)) == 1:
        return None, None
    x, y = (_standardized(_ranks(values)) for values in (a, b))
    rho = float(x @ y)
    others = y[_orders(len(x))] @ x
    extreme = int((np.abs(others) >= abs(rho) - 1e-12).sum())
    exact = len(x) <= MOST_EXACT
    return rho, extreme / len(others) if exact else (extreme + 1) / (len(others) + 1)


def _ranks(values: Sequence[float]) -> Array:
    ordered = sorted(values)
    return np.array([ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values], dtype=np.float64)


def _standardized(ranks: Array) -> Array:
    centred: Array = ranks - ranks.mean()
    return centred / np.linalg.norm(centred)


def _orders(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Orders of n points, one per row."""
    if n <= MOST_EXACT:
        return np.array(list(permutations(range(n))), dtype=np.int64)
    generator = np.random.default_rng(0)
    return generator.permuted(np.tile(np.arange(n, dtype=np.int64), (DRAWN, 1)), axis=1)
