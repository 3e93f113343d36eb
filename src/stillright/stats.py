"""Intervals. Knows numbers and arrays; knows neither models nor files.

All intervals are two-sided, 95 %. docs/metrics.md gives every formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stillright.significance import Z_95, Array, mcnemar_exact

FEWEST = 10  # samples below which a mean has no interval
TOO_FEW = "too few"  # what stands in its place, everywhere
FEW_EVENTS = (0.0, 0.051293, 0.355362, 0.817691)  # Poisson means by which 0, 1, 2, 3 events or more are 5 % likely
NO_WIDTH = 1e-12  # smaller differences come from rounding alone
NO_SKEW = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval: all None if the value is undefined, bounds None if samples are too few."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def too_few(self) -> bool:
        """Whether there is a value, of too few samples for an interval that holds."""
        return self.value is not None and self.low is None

    def shown(self, sign: str = "", scale: float = 1, unit: str = "") -> str:
        """Times `scale`: "0.12 [0.10, 0.14]", "+1.20 % [+0.40, +2.00]", "0.12 [too few]", "undefined"."""
        if self.value is None:
            return "undefined"
        if self.low is None or self.high is None:
            return f"{scale * self.value:{sign}.2f}{unit} [{TOO_FEW}]"
        value, low, high = (f"{scale * number:{sign}.2f}" for number in (self.value, self.low, self.high))
        return f"{value}{unit} [{low}, {high}]"


UNDEFINED = Estimate(None, None, None)


def wilson(successes: float, n: float) -> Estimate:
    """The proportion `successes / n` with Wilson's score interval (1927); undefined for n = 0.

    At up to three successes, or failures, its nearer end would lie too far in, and is the Poisson bound instead (Brown,
    Cai and DasGupta, 2001). n may be an effective number of samples, not a whole one.
    """
    if n == 0:
        return UNDEFINED
    p = successes / n
    z2 = Z_95 * Z_95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low, high = centre - half, centre + half
    low, high = min(low, _least_rate(successes, n)), max(high, 1 - _least_rate(n - successes, n))
    return within(Estimate(p, low, high), 0.0, 1.0)  # rounding would leave 1e-17


def _least_rate(events: float, n: float) -> float:
    """The Poisson bound of few events among n, exactly 0 for none; 1 where there are more than few."""
    few = len(FEW_EVENTS) - 1
    return float(np.interp(events, range(few + 1), FEW_EVENTS)) / n if events <= few else 1.0


def tango(only_first: int, only_second: int, n: int) -> Estimate:
    """The difference of two proportions of the same n samples with Tango's score interval (Tango, 1998).

    only_first, only_second: samples that count in one proportion alone. It has a width even if no sample differs: few
    samples do not prove equality. It reaches zero where the exact McNemar test does not reject that. Undefined for
    n = 0.
    """
    if n == 0:
        return UNDEFINED
    value = (only_first - only_second) / n
    low = _root(lambda delta: _tango_statistic(only_first, only_second, n, delta) - Z_95, -1.0, value)
    high = _root(lambda delta: _tango_statistic(only_first, only_second, n, delta) + Z_95, value, 1.0)
    return reaching_zero(Estimate(value, low, high), mcnemar_exact(only_first, only_second))


def _tango_statistic(only_first: int, only_second: int, n: int, delta: float) -> float:
    """The score statistic for a true difference of `delta`; q is the maximum-likelihood share of only_second then."""
    b = -only_first - only_second + (2 * n - only_first + only_second) * delta
    c = -only_second * delta * (1 - delta)
    q = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
    variance = n * (2 * q + delta * (1 - delta))
    gap = only_first - only_second - n * delta
    return gap / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, gap) if gap else 0.0


def relative_change(both: int, only_first: int, only_second: int, n: int) -> Estimate:
    """Two proportions of the same n samples, (first - second) / second, with the score interval of Tang et al. (2003).

    both, only_first, only_second: samples that count in both proportions, or in one alone. It reaches zero where
    tango() does. Undefined where nothing counts in the second.
    """
    first, second = both + only_first, both + only_second
    if second == 0:
        return UNDEFINED

    def statistic(share: float) -> float:  # of a true ratio of share / (1 - share): 0 to 1 for all of them
        return _tang_statistic(both, only_first, only_second, n, share / (1 - share))

    observed = first / (first + second)
    low = _root(lambda share: statistic(share) - Z_95, 0.0, observed) if first else 0.0
    high = _root(lambda share: statistic(share) + Z_95, observed, 1.0)
    found = Estimate(first / second - 1, low / (1 - low) - 1, high / (1 - high) - 1)
    return reaching_zero(found, mcnemar_exact(only_first, only_second))


def _tang_statistic(both: int, only_first: int, only_second: int, n: int, ratio: float) -> float:
    """The score statistic for a true ratio; q is the maximum-likelihood share of only_second then."""
    first, second, any_of = both + only_first, both + only_second, both + only_first + only_second
    a, c = n * (1 + ratio), only_second * (1 - ratio) * any_of / n
    b = second * ratio**2 - (first + 2 * only_second)
    q = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = n * (1 + ratio) * q + any_of * (ratio - 1)
    gap = first - ratio * second
    return gap / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, gap) if gap else 0.0


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """The zero of a falling function between `low` and `high`, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2


def mean_interval(values: Array, counts: Array, span: float = 1.0, varying: float | None = None) -> Estimate:
    """The mean of samples with a t interval that allows for skew and for values not seen yet.

    values: (m,), one per distinct row; counts: (m,), how often each occurs, n in all. span: the largest difference that
    a sample could show. varying: how many samples differ from the median, where the values do not tell. Each end is the
    farther one of Student's interval and of that by Hall's transformation (1992), which corrects for skew. Both count
    half a sample more at either side, as Agresti and Min (2005) do for proportions: as far from the mean as the
    farthest value or, where fewer than FEWEST samples differ from the median, as `span`, since the farthest was hardly
    seen then. Where nothing varies, the interval is as wide as Tango's would be, times `span`. No interval for
    n < FEWEST.
    """
    n = float(counts.sum())
    mean = float(counts @ values / n)
    if n < FEWEST:
        return Estimate(mean, None, None)
    varying = away_from_median(values, counts) if varying is None else varying
    if not varying:
        half = span * Z_95**2 / (n + Z_95**2)
        return Estimate(mean, mean - half, mean + half)
    deviations = values - mean
    farthest = max(float(np.abs(deviations).max()), span if varying < FEWEST else 0.0)
    deviations = deviations / farthest  # their cubes neither overflow nor vanish
    squares = float(counts @ deviations**2)
    skew = float(counts @ deviations**3) / n / (squares / (n - 1)) ** 1.5
    scale = farthest * math.sqrt((squares + 1) / (n - 1))
    t = student_95(n - 1) / math.sqrt(n)
    low, high = max(t, untransformed(t, skew, n)), max(t, -untransformed(-t, skew, n))
    return Estimate(mean, mean - scale * low, mean + scale * high)


def away_from_median(values: Array, counts: Array) -> float:
    """How many samples differ from the median, from that of both that more samples have where n is even."""
    order = np.argsort(values)
    up_to = np.cumsum(counts[order])
    medians = (values[order][np.searchsorted(up_to, up_to[-1] / 2, side)] for side in ("left", "right"))
    return min(float(counts @ (np.abs(values - median) > NO_WIDTH * max(1.0, abs(median)))) for median in medians)


def untransformed(t: float, skew: float, n: float) -> float:
    """The studentised mean for which Hall's transformation is `t`: t + skew t² / 3 + skew² t³ / 27 + skew / 6n."""
    return 3 / skew * (math.cbrt(1 + skew * (t - skew / (6 * n))) - 1) if abs(skew) > NO_SKEW else t


def student_95(freedom: float) -> float:
    """Student's t quantile at 0.975, right to four digits from 9 degrees on (Abramowitz and Stegun, 26.7.5)."""
    z = Z_95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))


def ratio_interval(tops: Array, bottoms: Array, counts: Array, span: float = 1.0) -> Estimate:
    """The ratio of two means, with the interval of the mean of its linearised samples (the delta method).

    tops, bottoms: (m,) each, bottoms not below zero. Samples of which both are zero tell nothing and do not count, so
    there is no interval for fewer than FEWEST others. Undefined where all bottoms are zero.
    """
    count = (tops != 0) | (bottoms != 0)
    tops, bottoms, counts = tops[count], bottoms[count], counts[count]
    if not (bottoms > 0).any():
        return UNDEFINED
    bottom = float(counts @ bottoms / counts.sum())
    value = float(counts @ tops / counts.sum()) / bottom
    found = mean_interval(value + (tops - value * bottoms) / bottom, counts, span / bottom)
    return Estimate(value, found.low, found.high)


def slope(x: Array, y: Array) -> Estimate:
    """That of the least-squares line of y (n,) on x (n,), see `ratio_interval`; undefined where x does not vary.

    The deviations of the line need neither be normal nor alike for all x.
    """
    if not varies(x):
        return UNDEFINED
    x, y = x - x.mean(), y - y.mean()
    return ratio_interval(x * y, x * x, np.ones(len(x)), span=0.0)  # how far others could lie is not known


def correlation(x: Array, y: Array) -> Estimate:
    """Pearson's of x (n,) and y (n,), with the interval of the mean of its linearised samples (the delta method);
    undefined where one does not vary."""
    if not varies(x) or not varies(y):
        return UNDEFINED
    x, y = ((each - each.mean()) / each.std() for each in (x, y))
    value = float((x * y).mean())
    found = mean_interval(value + x * y - value * (x * x + y * y) / 2, np.ones(len(x)), span=0.0)
    return within(Estimate(value, found.low, found.high), -1.0, 1.0)


def varies(values: Array) -> bool:
    """Whether they differ by more than rounding; none do not."""
    return len(values) > 0 and float(np.ptp(values)) > NO_WIDTH * max(1.0, float(np.abs(values).max()))


def over(top: Estimate, bottom: float) -> Estimate:
    """`top` and its bounds divided by a number; undefined unless that is above zero."""
    if bottom <= 0 or top.value is None:
        return UNDEFINED
    value, low, high = (None if each is None else each / bottom for each in (top.value, top.low, top.high))
    return Estimate(value, low, high)


def within(found: Estimate, low: float, high: float) -> Estimate:
    """`found` with its interval cut to what lies between `low` and `high`."""
    if found.low is None or found.high is None:
        return found
    return Estimate(found.value, max(found.low, low), min(found.high, high))


def reaching_zero(found: Estimate, p: float) -> Estimate:
    """A difference, its interval widened to zero where an exact test with `p` does not reject that."""
    if p < 0.05 or found.low is None or found.high is None:
        return found
    return Estimate(found.value, min(found.low, 0.0), max(found.high, 0.0))
