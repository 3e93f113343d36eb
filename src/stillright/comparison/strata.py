"""Means over several tasks at once, with intervals that keep the tasks as strata. Knows numbers and arrays alone.

Tasks are sampled each for itself, so a weighted mean has the variance sum of w_t² var_t, with var_t that of a task's
mean (Cochran, Sampling Techniques, 1977, section 5.4); how far apart the tasks are does not widen it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stillright.significance import Z_95, Array
from stillright.stats import FEWEST, NO_WIDTH, UNDEFINED, Estimate, student_95, untransformed, wilson


@dataclass(frozen=True)
class Stratum:
    """The samples of one task. weight: of its mean, all weights sum to 1.

    values: (m,), one per distinct row of samples; counts: (m,), how often each occurs.
    """

    weight: float
    values: Array
    counts: Array

    @cached_property
    def n(self) -> float:
        """How many samples there are."""
        return float(self.counts.sum())

    @cached_property
    def mean(self) -> float:
        """The mean of the samples."""
        return float(self.counts @ self.values) / self.n

    @cached_property
    def variance(self) -> float:
        """Of the weighted mean; of a single sample, which shows none, that of a fair coin's."""
        if self.n < 2:
            return self.weight**2 / 4
        return self.per_sample**2 * self.n / (self.n - 1) * float(self.counts @ (self.values - self.mean) ** 2)

    @property
    def per_sample(self) -> float:
        """The weight of one sample."""
        return self.weight / self.n

    @property
    def changed(self) -> float:
        """How many samples differ from the most frequent value."""
        most = self.values[np.argmax(self.counts)]
        return float(self.counts @ (np.abs(self.values - most) > NO_WIDTH))


def effective_n(strata: Sequence[Stratum]) -> float:
    """The number of samples of one task whose mean would vary as much, if all tasks were alike (Kish, 1965).

    That of all samples where each has the same weight.
    """
    return 1 / sum(each.weight * each.per_sample for each in strata)


def stratified_rate(strata: Sequence[Stratum], pairs: int = 1) -> Estimate:
    """The weighted mean of the tasks' rates, with Wilson's interval at the effective number of samples.

    That is the number that has the stratified variance, fewer as Student's t is wider than the normal (Korn and
    Graubard, 1998). Where a task that shows, or lacks,
    fewer than FEWEST of what is counted has samples of more than average weight, it is at most `effective_n`: chance
    may have hidden there what would weigh most. pairs: of an old and a new run, of which values are means.
    """
    rate, n = weighted_mean(strata), worth_of_rate(strata)
    n *= (Z_95 / student_95(_freedom(strata))) ** 2 if variance(strata) > 0 else 1
    n = min(n, pairs * sum(each.n for each in strata)) if pairs > 1 else n
    return wilson(rate * n, n)


def worth_of_rate(strata: Sequence[Stratum]) -> float:
    """The number of samples of one task whose rate would vary as much as the weighted mean of the tasks' rates."""
    rate, varies, most = weighted_mean(strata), variance(strata), effective_n(strata)
    n = rate * (1 - rate) / varies if varies > 0 and 0 < rate < 1 else most
    return min(n, most) if _hides(strata) else n


def variance(strata: Sequence[Stratum]) -> float:
    """That of the weighted mean."""
    return sum(each.variance for each in strata)


def _freedom(strata: Sequence[Stratum]) -> float:
    return satterthwaite([(each.variance, each.n - 1) for each in strata if each.n > 1])


def satterthwaite(variances: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of variances, each with its own (Satterthwaite, 1946); at least those that
    student_95 takes."""
    squares = sum(each**2 / freedom for each, freedom in variances)
    whole = sum(each for each, _ in variances)
    return float(max(whole**2 / squares if squares > 0 else 0.0, FEWEST - 1))


def _hides(strata: Sequence[Stratum]) -> bool:
    average = 1 / sum(each.n for each in strata)
    shown = (min(each.mean, 1 - each.mean) * each.n for each in strata)
    return any(
        few < FEWEST and each.per_sample > average * (1 + NO_WIDTH) for each, few in zip(strata, shown, strict=True)
    )


def stratified_mean(strata: Sequence[Stratum], span: float | None = None) -> Estimate:
    """The weighted mean of the tasks' means, with the interval of stats.mean_interval on the stratified variance.

    span: the largest difference that a sample could show; None: what two of a task show, at least 1.

    As there, a sample more of the heaviest task, as far from its mean as the farthest, counts half at either side, ends
    allow for skew, and there is none for fewer than FEWEST samples.
    """
    mean, samples = weighted_mean(strata), sum(each.n for each in strata)
    if samples < FEWEST:
        return Estimate(mean, None, None) if samples else UNDEFINED
    span = largest_difference(strata) if span is None else span
    changed = sum(each.changed for each in strata)
    if not changed:
        n = effective_n(strata)
        half = span * Z_95**2 / (n + Z_95**2)
        return Estimate(mean, mean - half, mean + half)
    farthest = span if changed < FEWEST else max(float(np.abs(each.values - each.mean).max()) for each in strata)
    unseen = (farthest * max(each.per_sample for each in strata)) ** 2
    cubes = sum(each.per_sample**3 * float(each.counts @ (each.values - each.mean) ** 3) for each in strata)
    return skewed(mean, variance(strata), unseen, cubes, _freedom(strata))


def skewed(mean: float, seen: float, unseen: float, cubes: float, freedom: float) -> Estimate:
    """A mean with the farther ends of Student's interval and of that by Hall's transformation (1992).

    seen, unseen: parts of its variance; cubes: its third moment, that skew comes from.
    """
    skew = cubes / seen**1.5 if seen > 0 else 0.0
    t = student_95(freedom)
    deviation = math.sqrt(seen + unseen)
    low, high = max(t, untransformed(t, skew, 1)), max(t, -untransformed(-t, skew, 1))
    return Estimate(mean, mean - deviation * low, mean + deviation * high)


def weighted_mean(strata: Sequence[Stratum]) -> float:
    """The mean over tasks, by their weights."""
    return sum(each.weight * each.mean for each in strata)


def largest_difference(strata: Sequence[Stratum]) -> float:
    """The largest that two samples of a task show, at least 1."""
    return max(1.0, *(float(np.ptp(each.values)) for each in strata))
