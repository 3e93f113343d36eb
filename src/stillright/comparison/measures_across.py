"""What answers cost over several tasks at once: ratios of weighted means, and weighted means of logarithms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stillright.comparison.clustered_strata import TaskClusters, mean_over
from stillright.comparison.measures import MeasureAcross, Measured, powers
from stillright.comparison.strata import Stratum, weighted_mean
from stillright.significance import Array
from stillright.stats import UNDEFINED, Estimate, within


class MeasuredTasks(NamedTuple):
    """A column of all tasks, and the clusters of the samples that have it, if these are not independent."""

    values: Sequence[Measured]
    clusters: TaskClusters | None = None

    @property
    def by_size(self) -> list[float]:
        """Weights that make all measured samples alike."""
        n = [len(each.models[0]) for each in self.values]
        return [each / sum(n) for each in n]


def measured_across(column: str, tasks: MeasuredTasks, weights: Sequence[float], a: int) -> MeasureAcross:
    """Of model `a` (1 is new), tasks by their weights."""

    def strata(values: Sequence[Array]) -> list[Stratum]:
        return [Stratum(weight, each, np.ones(len(each))) for weight, each in zip(weights, values, strict=True)]

    olds, nows = ([each.models[place] for each in tasks.values] for place in (0, a))
    old_mean, mean = weighted_mean(strata(olds)), weighted_mean(strata(nows))
    ratio = geometric = UNDEFINED
    if old_mean > 0:
        value = mean / old_mean
        linear = [(now - value * old) / old_mean for old, now in zip(olds, nows, strict=True)]
        span = max(float(np.ptp(values)) for values in (*olds, *nows)) / old_mean
        ratio = within(_moved(mean_over(strata(linear), tasks.clusters, span), value), 0.0, math.inf)
    if all(values.min() > 0 for values in (*olds, *nows)):
        logs = [np.log(now) - np.log(old) for old, now in zip(olds, nows, strict=True)]
        width = max(float(np.ptp(each)) for each in logs)
        geometric = powers(mean_over(strata(logs), tasks.clusters, width))
    return MeasureAcross(
        column=column,
        n=sum(map(len, olds)),
        unmeasured=sum(int((~each.known).sum()) for each in tasks.values),
        old_mean=old_mean,
        mean=mean,
        ratio=ratio,
        geometric_ratio=geometric,
    )


def _moved(found: Estimate, by: float) -> Estimate:
    """An estimate of zero, moved to what it is a deviation from."""
    low, high = (None if end is None else end + by for end in (found.low, found.high))
    return Estimate(by, low, high)
