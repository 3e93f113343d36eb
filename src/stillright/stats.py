"""Intervals and paired tests. Knows numbers and arrays, nothing of models or files.

All intervals are two-sided, 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Statistic = Callable[[Array], Array]  # column means (draws, columns) -> values (draws,)

Z_95 = 1.959963984540054  # standard normal quantile at 0.975
RESAMPLES = 2000
BLOCK_BYTES = 64 * 2**20  # index memory of one block of resamples


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; all None where the value is undefined."""

    value: float | None
    low: float | None
    high: float | None


UNDEFINED = Estimate(None, None, None)


def wilson(successes: int, n: int) -> Estimate:
    """The proportion `successes / n` with Wilson's score interval (Wilson, 1927); undefined for n = 0."""
    if n == 0:
        return UNDEFINED
    p = successes / n
    z2 = Z_95 * Z_95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # the bounds are exact at the ends, where rounding would leave 1e-17
    return Estimate(p, 0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def mcnemar_exact(gains: int, regressions: int) -> float:
    """Two-sided p of the exact McNemar test: without a difference, each discordant pair is a fair coin."""
    discordant = gains + regressions
    smaller = min(gains, regressions)
    if discordant == 0:
        return 1.0
    log_half = discordant * math.log(0.5)
    log_terms = [
        math.lgamma(discordant + 1) - math.lgamma(k + 1) - math.lgamma(discordant - k + 1) + log_half
        for k in range(smaller + 1)
    ]
    return min(1.0, 2 * math.fsum(math.exp(term) for term in log_terms))


def bootstrap(columns: Array, statistic: Statistic, seed: int = 0) -> Estimate:
    """`statistic` of the column means with a percentile bootstrap interval over items (Efron, 1979).

    columns: (n, k), one row an item; all columns of an item are drawn together, so differences are paired.
    statistic: maps means (draws, k) to values (draws,), NaN where undefined.
    Undefined when the value itself is; draws in which it is undefined are left out.
    """
    n = len(columns)
    if n == 0:
        return UNDEFINED
    value = float(statistic(columns.mean(axis=0, keepdims=True))[0])
    if math.isnan(value):
        return UNDEFINED
    generator = np.random.default_rng(seed)
    block = max(1, min(RESAMPLES, BLOCK_BYTES // (8 * n * columns.shape[1])))
    draws = []
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        draws.append(statistic(columns[generator.integers(0, n, (size, n))].mean(axis=1)))
    low, high = np.nanquantile(np.concatenate(draws), [0.025, 0.975])
    return Estimate(value, float(low), float(high))
