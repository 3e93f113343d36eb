"""Tests of significance: paired ones, of orders, and for many at once. Knows numbers and arrays alone.

docs/metrics.md says what each tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

Z_95 = 1.959963984540054  # standard normal quantile at 0.975

MOST_ORDERED = 8  # points whose orders are all tried: 40,320
ORDERS = 20_000  # tried of more points
FAR = 12  # standard deviations, beyond which a binomial has nothing to add


@lru_cache
def mcnemar_exact(gains: int, regressions: int) -> float:
    """Two-sided p of the exact McNemar test: without a difference, each discordant pair is a fair coin.

    For differences of continuous scores this is the sign test.
    """
    if gains == regressions:
        return 1.0  # to the last digit
    return sign_flip(np.array([1.0, -1.0]), np.array([gains, regressions], dtype=np.float64))


def sign_flip(values: Array, counts: Array) -> float:
    """Two-sided p of the exact sign-flip test of a sum: without a difference, each value could have the other sign.

    values: (m,) whole numbers; counts: (m,), how many samples have each. A sample that differs in two seeds of three
    weighs twice as much as one that differs in one.
    """
    sums = np.ones(1)  # probabilities of the sum of those with a positive sign: 0, 1, ...
    for size in np.unique(np.abs(values[values != 0])).astype(int):
        n = int(counts[np.abs(values) == size].sum())
        spaced = np.zeros(size * n + 1)
        spaced[::size] = _fair_coins(n)
        sums = np.convolve(sums, spaced)
    all_flips = 2 * np.arange(len(sums)) - (len(sums) - 1)
    return min(1.0, float(sums[np.abs(all_flips) >= abs(counts @ values)].sum()))


def _fair_coins(n: int) -> Array:
    """Probabilities of 0 to n heads, (n + 1,)."""
    logs = np.log(np.arange(1, n + 1, dtype=np.longdouble))  # sums of many lose digits
    of_factorials = np.concatenate([[0], np.cumsum(logs)])
    of_coins = of_factorials[-1] - of_factorials - of_factorials[::-1] - n * np.log(np.longdouble(2))
    probabilities: Array = np.exp(of_coins.astype(np.float64))
    return probabilities


def binomial_tail(least: int, n: int, p: float) -> float:
    """The probability of `least` or more successes in n independent draws with probability `p`: of those within FAR
    deviations of the mean, since all others together have none that a float could show."""
    if least <= 0 or p in (0, 1):
        return 1.0 if least <= n * p else 0.0
    mean, reach = n * p, math.ceil(FAR * math.sqrt(n * p * (1 - p)) + FAR)
    if least > mean:
        return _binomial_between(least, min(n, math.ceil(mean) + reach), n, p)
    return 1 - _binomial_between(max(0, math.floor(mean) - reach), least - 1, n, p)


def _binomial_between(least: int, most: int, n: int, p: float) -> float:
    """The probability of `least` to `most` successes."""
    if least > most:
        return 0.0
    k = np.arange(least, most)
    ratios = np.log((n - k) / (k + 1)) + math.log(p) - math.log1p(-p)  # of k + 1 to k successes
    ways = math.lgamma(n + 1) - math.lgamma(least + 1) - math.lgamma(n - least + 1)
    first = ways + least * math.log(p) + (n - least) * math.log1p(-p)
    return min(1.0, float(np.exp(first + np.concatenate([[0.0], np.cumsum(ratios)])).sum()))


def normal_tail(distance: float, half: float) -> float:
    """The probability that a normal estimate is off by `distance` or more in one direction.

    half: of its 95 % interval, in the direction of the distance.
    """
    return math.erfc(distance * Z_95 / half / math.sqrt(2)) / 2 if half > 0 else 0.0


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of a family of tests, each adjusted for the others (Holm, 1979)."""
    m = len(p_values)
    order = np.argsort(p_values)
    ranked = np.asarray(p_values, dtype=np.float64)[order]
    result = np.empty(m)
    result[order] = np.minimum(np.maximum.accumulate(ranked * (m - np.arange(m))), 1.0)
    return [float(p) for p in result]


def holm_of_known(p_values: Sequence[float | None]) -> list[float | None]:
    """`holm` of those that are known; None where there is no test."""
    adjusted = iter(holm([p for p in p_values if p is not None]))
    return [None if p is None else next(adjusted) for p in p_values]


def benjamini_hochberg(p_values: Array) -> Array:
    """p-values of a family of tests, (m,), each adjusted for the others: what has q or less, q of it is chance at most
    (Benjamini and Hochberg, 1995)."""
    m = len(p_values)
    order = np.argsort(p_values)[::-1]
    result = np.empty(m)
    result[order] = np.minimum.accumulate(np.minimum(p_values[order] * (m / np.arange(m, 0, -1)), 1.0))
    return result


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> tuple[float | None, float | None]:
    """Spearman's rho (1904), ties with their mean rank, and its two-sided p over permutations of `b`.

    Tries all orders of up to MOST_ORDERED points, and ORDERS drawn ones of more, with a fixed seed. (None, None) for
    fewer than three points, or where one side does not vary.
    """
    if len(a) < 3 or len(set(a)) == 1 or len(set(b)) == 1:
        return None, None
    x, y = (_standardized_ranks(values) for values in (a, b))
    rho = float(x @ y)
    exact = len(a) <= MOST_ORDERED
    orders = permutations(y) if exact else np.random.default_rng(0).permuted(np.tile(y, (ORDERS, 1)), axis=1)
    others = np.array(list(orders)) @ x
    extreme = int((np.abs(others) >= abs(rho) - 1e-12).sum())
    return rho, extreme / len(others) if exact else (extreme + 1) / (len(others) + 1)


def _standardized_ranks(values: Sequence[float]) -> Array:
    ordered = sorted(values)
    ranks = np.array([ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values], dtype=np.float64)
    centred: Array = ranks - ranks.mean()
    return centred / np.linalg.norm(centred)
