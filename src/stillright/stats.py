"""Intervals and paired tests. Knows numbers and arrays; knows neither models nor files.

All intervals are two-sided, 95 %. docs/metrics.md gives every formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

Z_95 = 1.959963984540054  # standard normal quantile at 0.975
Z_80_POWER = 0.8416212335729143  # at 0.8
RESAMPLES = 2000
NO_WIDTH = 1e-12  # narrower intervals come from rounding alone
MOST_DISTINCT = 2_000  # up to this many distinct rows, their counts are drawn, which costs the same for any n
MOST_DRAWN = 20_000  # up to this many samples, rows are drawn one by one
MOST_ORDERED = 8  # points whose orders are all tried: 40,320
ORDERS = 20_000  # tried of more points


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; all None if the value is undefined."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def varies(self) -> bool:
        """Whether the interval is wider than rounding alone makes it."""
        return self.low is not None and self.high is not None and self.high - self.low > NO_WIDTH


UNDEFINED = Estimate(None, None, None)


def wilson(successes: float, n: float) -> Estimate:
    """The proportion `successes / n` with Wilson's score interval (Wilson, 1927); undefined for n = 0.

    n may be an effective number of samples, not a whole one.
    """
    if n == 0:
        return UNDEFINED
    p = successes / n
    z2 = Z_95 * Z_95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # the bounds are exact at the ends, where rounding would leave 1e-17
    return Estimate(p, 0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def tango(only_first: int, only_second: int, n: int) -> Estimate:
    """The difference of two proportions of the same n samples with Tango's score interval (Tango, 1998).

    only_first, only_second: samples that count in one proportion alone. Unlike a bootstrap interval it has a width
    even if no sample differs: few samples do not prove equality. Undefined for n = 0.
    """
    if n == 0:
        return UNDEFINED
    value = (only_first - only_second) / n
    low = _root(lambda delta: _tango_statistic(only_first, only_second, n, delta) - Z_95, -1.0, value)
    high = _root(lambda delta: _tango_statistic(only_first, only_second, n, delta) + Z_95, value, 1.0)
    return Estimate(value, low, high)


def _tango_statistic(only_first: int, only_second: int, n: int, delta: float) -> float:
    """The score statistic for a true difference of `delta`; q is the maximum-likelihood share of only_second then."""
    b = -only_first - only_second + (2 * n - only_first + only_second) * delta
    c = -only_second * delta * (1 - delta)
    q = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
    variance = n * (2 * q + delta * (1 - delta))
    gap = only_first - only_second - n * delta
    return gap / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, gap) if gap else 0.0


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """The zero of a falling function between `low` and `high`, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2


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
    logs = np.array([math.lgamma(k + 1) for k in range(n + 1)])  # of factorials
    coins: Array = np.exp(logs[-1] - logs - logs[::-1] - n * math.log(2))
    return coins


def binomial_tail(least: int, n: int, p: float) -> float:
    """The probability of `least` or more successes in n independent draws with probability `p`, 0 < p < 1."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])  # of factorials
    k = np.arange(least, n + 1)
    terms = logs[n] - logs[k] - logs[n - k] + k * math.log(p) + (n - k) * math.log1p(-p)
    return min(1.0, float(np.exp(terms).sum()))


def normal_tail(distance: float, half: float) -> float:
    """The probability that a normal estimate is off by `distance` or more in one direction.

    half: of its 95 % interval, in the direction of the distance.
    """
    return math.erfc(distance * Z_95 / half / math.sqrt(2)) / 2 if half > 0 else 0.0


def resampled_means(columns: Mapping[str, Array], counts: Array, seed: int = 0) -> dict[str, Array]:
    """Means of every column: first the observed one, then RESAMPLES bootstrap ones (Efron, 1979), (1 + RESAMPLES,).

    columns: (m,) each, one value per distinct row; counts: (m,), how often each row occurs, n in all. All columns of a
    row are drawn together, so that anything computed from several of them is paired. Up to MOST_DISTINCT rows, their
    counts are drawn; up to MOST_DRAWN samples, the samples; beyond both, the means are drawn from their limiting normal
    distribution.
    """
    matrix = np.column_stack(list(columns.values()))  # (m, k)
    generator = np.random.default_rng(seed)
    n = counts.sum()
    observed = counts @ matrix / n
    if len(counts) <= MOST_DISTINCT:
        drawn = generator.multinomial(int(n), counts / n, RESAMPLES) @ matrix / n
    elif n <= MOST_DRAWN:
        drawn = _means_of_drawn_rows(np.repeat(matrix, counts.astype(int), axis=0), generator)
    else:
        drawn = _means_in_the_limit(matrix, counts, observed, generator)
    return dict(zip(columns, np.vstack([observed, drawn]).T, strict=True))


def _means_of_drawn_rows(matrix: Array, generator: np.random.Generator) -> Array:
    n = len(matrix)
    counts = (np.bincount(generator.integers(0, n, n), minlength=n) for _ in range(RESAMPLES))
    return np.array([drawn @ matrix for drawn in counts]) / n


def _means_in_the_limit(matrix: Array, counts: Array, observed: Array, generator: np.random.Generator) -> Array:
    n = counts.sum()
    centred = matrix - observed
    covariance = (centred * counts[:, None]).T @ centred / n / n  # of the means: (k, k)
    values, vectors = np.linalg.eigh(covariance)
    scale = vectors * np.sqrt(np.clip(values, 0, None))
    drawn: Array = observed + generator.standard_normal((RESAMPLES, len(observed))) @ scale.T
    return drawn


def bounded(found: Estimate, n: float, values: Array) -> Estimate:
    """The bootstrapped mean of `values` of n samples, widened if nothing varied.

    Not beyond 0 or 1 unless some value is; without an interval if there is only one sample.
    """
    wide = widened(found, n, max(1.0, float(np.ptp(values))))
    if wide.low is None or wide.high is None or n <= 1:
        return Estimate(found.value, None, None)
    low, high = (0.0 if values.min() >= 0 else -math.inf), (1.0 if values.max() <= 1 else math.inf)
    return Estimate(wide.value, max(wide.low, low), min(wide.high, high))


def widened(found: Estimate, n: float, span: float = 1.0) -> Estimate:
    """A bootstrapped difference; if nothing varied among n samples, as wide as Tango's interval would be.

    span: the largest difference a sample could show.
    """
    if found.value is None or found.varies:
        return found
    z2 = Z_95 * Z_95
    half = span * z2 / (n + z2)
    return Estimate(found.value, found.value - half, found.value + half)


def estimate(means: Array) -> Estimate:
    """The first of `means` with the percentiles 2.5 and 97.5 of the others; undefined ones (NaN) are left out."""
    if not math.isfinite(means[0]):
        return UNDEFINED
    low, high = np.nanquantile(means[1:], [0.025, 0.975])
    return Estimate(float(means[0]), float(low), float(high))


def share(tops: Array, bottoms: Array, top: Estimate) -> Estimate:
    """The estimate of `tops / bottoms`; if no resample varied, with the bounds of `top` over the bottom observed."""
    found = estimate(ratio(tops, bottoms))
    if found.varies or top.low is None or top.high is None or found.value is None:
        return found
    return Estimate(found.value, top.low / float(bottoms[0]), top.high / float(bottoms[0]))


def ratio(top: Array, bottom: Array) -> Array:
    """`top / bottom`, NaN unless `bottom` is above zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(bottom > 0, top / bottom, np.nan)


def smallest_difference(variance: float, n: int) -> float | None:
    """The least mean difference that n pairs show in 80 % of tests at the 5 % level; None if nothing varies.

    variance: of the difference of one pair; for two proportions the share of discordant pairs (Lehr, 1992, without
    rounding his factor 8).
    """
    return (Z_95 + Z_80_POWER) * math.sqrt(variance / n) if n and variance > 0 else None


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of a family of tests, each adjusted for the others (Holm, 1979)."""
    m = len(p_values)
    order = np.argsort(p_values)
    ranked = np.asarray(p_values, dtype=np.float64)[order]
    result = np.empty(m)
    result[order] = np.minimum(np.maximum.accumulate(ranked * (m - np.arange(m))), 1.0)
    return [float(p) for p in result]


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
