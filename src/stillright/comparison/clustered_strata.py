"""Means over several tasks whose samples are in clusters: clusters are drawn within each task, not samples.

Every mean is linear in the deviations of samples from their task's mean, and its variance is that of their sums over
clusters, each within its stratum: sum of G / (G - 1) x u_g² (Binder, 1983; Liang and Zeger, 1986). A stratum is a task
with G clusters; where tasks share clusters, all of them are one. Knows numbers and arrays alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from stillright.clusters import sign_flip_of_sums
from stillright.comparison.strata import (
    Stratum,
    largest_difference,
    satterthwaite,
    skewed,
    stratified_mean,
    stratified_rate,
    variance,
    weighted_mean,
    worth_of_rate,
)
from stillright.significance import Z_95, Array
from stillright.stats import FEWEST, Estimate, away_from_median, student_95, wilson

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TaskClusters:
    """The clusters of the samples of several tasks.

    numbers: for each task (m_t,), that of the cluster of each row, from 0 over all tasks without a gap. strata: (G,),
    that which each cluster is drawn in: its task, or one for all where tasks share clusters.
    """

    numbers: Sequence[Numbers]
    strata: Numbers

    @classmethod
    def of(cls, numbers: Sequence[Numbers], shared: bool = False) -> TaskClusters:
        """Of rows by the `cluster_numbers` of their clusters, which may have gaps, (m_t,) of each task."""
        sizes = [len(each) for each in numbers]
        _, first, codes = np.unique(np.concatenate(numbers), return_index=True, return_inverse=True)
        tasks = np.repeat(np.arange(len(sizes)), sizes)[first]
        return cls(np.split(codes, np.cumsum(sizes[:-1])), np.zeros_like(tasks) if shared else tasks)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.strata)

    @cached_property
    def drawn(self) -> Array:
        """How many clusters the stratum of each has, (G,)."""
        return np.bincount(self.strata)[self.strata].astype(np.float64)

    @property
    def tell(self) -> bool:
        """Whether there are enough for an interval, and at least two in every stratum: one shows no variance."""
        return self.count >= FEWEST and bool((self.drawn > 1).all())

    def sums(self, columns: Sequence[Array]) -> Array:
        """That of a column, (m_t,) of each task, over each cluster, (G,)."""
        rows = np.concatenate(self.numbers)
        return np.bincount(rows, weights=np.concatenate(columns), minlength=self.count).astype(np.float64)

    def within(self, values: Array) -> Array:
        """The sum of values of clusters over the stratum of each, (G,)."""
        return np.bincount(self.strata, weights=values)[self.strata].astype(np.float64)

    def variance(self, deviations: Array) -> Array:
        """What each stratum adds to the variance of the sum of deviations of clusters, (G,) -> (strata,)."""
        centred = deviations - self.within(deviations) / self.drawn
        return np.bincount(self.strata, weights=centred**2 * self.drawn / (self.drawn - 1)).astype(np.float64)

    def largest(self, counts: Sequence[Array]) -> int:
        """The samples of the largest."""
        return round(float(self.sums(counts).max()))

    def sign_flip_p(self, differences: Sequence[Array]) -> float:
        """See Clusters.sign_flip_p; differences: counts, (m_t,) of each task, times how often a row occurs."""
        return sign_flip_of_sums(self.sums(differences))


def cluster_numbers(names: Sequence[Sequence[str]], shared: bool) -> list[Numbers]:
    """A number over all tasks for each cluster of each task, (G_t,), in the order of their names there.

    shared: whether a name in several tasks is one cluster; else each task has its own.
    """
    keys = [[(None if shared else task, name) for name in each] for task, each in enumerate(names)]
    known = {key: i for i, key in enumerate(dict.fromkeys(key for each in keys for key in each))}
    return [np.array([known[key] for key in each], dtype=np.int64) for each in keys]


def rate_over(strata: Sequence[Stratum], clusters: TaskClusters | None, pairs: int = 1) -> Estimate:
    """The weighted mean of the tasks' rates, of samples or of clusters that are drawn."""
    return stratified_rate(strata, pairs) if clusters is None else clustered_rate(strata, clusters, pairs)


def mean_over(strata: Sequence[Stratum], clusters: TaskClusters | None, span: float | None = None) -> Estimate:
    """The weighted mean of the tasks' means, of samples or of clusters that are drawn."""
    return stratified_mean(strata, span) if clusters is None else clustered_mean(strata, clusters, span)


def clustered_design_effect(strata: Sequence[Stratum], clusters: TaskClusters) -> float | None:
    """The variance of the weighted mean over that of independent samples (Kish, 1965); None where nothing varies, or
    the clusters do not tell."""
    independent = variance(strata)
    if not clusters.tell or independent <= 0:
        return None
    return float(clusters.variance(_deviations(strata, clusters)).sum()) / independent


def clustered_rate(strata: Sequence[Stratum], clusters: TaskClusters, pairs: int = 1) -> Estimate:
    """`stratified_rate`, worth as many fewer samples as the design effect says, with Student's t of the clusters.

    As for one task (Clusters.rate), the effect is at least 1, and as if one cluster more were seen where few were. No
    interval where the clusters do not tell.
    """
    rate = weighted_mean(strata)
    if not clusters.tell:
        return Estimate(rate, None, None)
    deviations, weights = _left_out(strata, clusters), _weights(strata, clusters)
    effect = _cautious_effect(strata, clusters, deviations)
    n = worth_of_rate(strata) / effect * (Z_95 / student_95(_freedom_of_rate(clusters, deviations, weights))) ** 2
    n = min(n, pairs * sum(each.n for each in strata) / effect) if pairs > 1 else n
    return wilson(rate * n, n)


def clustered_mean(strata: Sequence[Stratum], clusters: TaskClusters, span: float | None = None) -> Estimate:
    """`stratified_mean`, where clusters are what varies; no interval where they do not tell."""
    mean = weighted_mean(strata)
    if not clusters.tell:
        return Estimate(mean, None, None)
    span, weights = largest_difference(strata) if span is None else span, _weights(strata, clusters)
    varying = _varying(_deviations(strata, clusters) / weights, clusters)
    if not varying:
        half = span * Z_95**2 / (1 / float(weights @ weights) + Z_95**2)
        return Estimate(mean, mean - half, mean + half)
    deviations = _left_out(strata, clusters)
    farthest = max(float(np.abs(deviations).max()), span * float(weights.max()) if varying < FEWEST else 0.0)
    parts = clusters.variance(deviations)
    freedom = satterthwaite(list(zip(parts, np.bincount(clusters.strata) - 1.0, strict=True)))
    return skewed(mean, float(parts.sum()), farthest**2, float((deviations**3).sum()), freedom)


def _weights(strata: Sequence[Stratum], clusters: TaskClusters) -> Array:
    """What all samples of a cluster weigh in the mean, (G,); they sum to 1."""
    return clusters.sums([each.per_sample * each.counts for each in strata])


def _deviations(strata: Sequence[Stratum], clusters: TaskClusters) -> Array:
    """By how much each cluster moves the mean, (G,)."""
    return clusters.sums([each.per_sample * each.counts * (each.values - each.mean) for each in strata])


def _left_out(strata: Sequence[Stratum], clusters: TaskClusters) -> Array:
    """`_deviations` from what the other clusters of the stratum say: see clusters._left_out."""
    weights = _weights(strata, clusters)
    deviations: Array = (
        _deviations(strata, clusters) * (1 - 1 / clusters.drawn) / (1 - weights / clusters.within(weights))
    )
    return deviations


def _varying(means: Array, clusters: TaskClusters) -> float:
    """How many clusters differ from the median of their stratum. means: of their deviations, (G,)."""
    each = (means[clusters.strata == stratum] for stratum in np.unique(clusters.strata))
    return sum(away_from_median(found, np.ones(len(found))) for found in each)


def _cautious_effect(strata: Sequence[Stratum], clusters: TaskClusters, deviations: Array) -> float:
    """The design effect, at least 1, as if one cluster more were seen: see Clusters._cautious_effect.

    Clusters in which anything is counted (or is not) are as many as would weigh alike: one of a small task with a large
    weight hides behind no ten of others.
    """
    weights = _weights(strata, clusters)
    counted = clusters.sums([each.per_sample * each.counts * each.values for each in strata])
    others = clusters.sums([each.per_sample * each.counts * (1 - each.values) for each in strata])
    seen = min(_alike(counted), _alike(others))
    largest = int(weights.argmax())
    farthest = float(np.interp(seen, (0, FEWEST), (weights[largest], np.abs(deviations).max())))
    per_sample = clusters.sums([each.per_sample**2 * each.counts for each in strata])[largest] / weights[largest]
    independent = variance(strata) + farthest * per_sample
    return float(max(1.0, (clusters.variance(deviations).sum() + farthest**2) / independent))


def _alike(weights: Array) -> float:
    """The number of clusters of one weight that would tell as much (Kish, 1965); 0 where nothing weighs."""
    squares = float(weights @ weights)
    return float(weights.sum() ** 2) / squares if squares > 0 else 0.0


def _freedom_of_rate(clusters: TaskClusters, deviations: Array, weights: Array) -> float:
    """Degrees of freedom by as many clusters of one size as weigh like those of each stratum."""
    squares, whole = (np.bincount(clusters.strata, weights=each).astype(np.float64) for each in (weights**2, weights))
    alike = whole**2 / squares
    parts = clusters.variance(deviations)
    parts = parts if parts.any() else squares
    return satterthwaite(list(zip(parts, np.maximum(alike - 1, 1.0), strict=True)))
