"""Per-sample columns and their sums: rates, means, differences and ratios of these, with intervals and tests.

Knows arrays; knows neither models nor which metrics are made of the columns (columns.py makes them).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stillright.clusters import Clusters, Independent
from stillright.significance import Z_95, Array, mcnemar_exact
from stillright.stats import (
    UNDEFINED,
    Estimate,
    reaching_zero,
    relative_change,
    student_95,
    tango,
    wilson,
    within,
)


@dataclass(frozen=True)
class Tally:
    """Per-sample columns and their sums. clusters: those that the rows are in, if samples are not drawn one by one."""

    n: int
    columns: Mapping[str, Array]  # (m,) each, one value per distinct row of samples
    counts: Array  # (m,), how many samples share the row
    sums: Mapping[str, float]
    pairs: int  # pairs of an old and a new run
    clusters: Clusters | None = None

    @classmethod
    def of(cls, columns: Mapping[str, Array], counts: Array, pairs: int, cluster: Array | None = None) -> Tally:
        """The tally of `columns`, which are means over `pairs` of an old and a new run. cluster: (m,), of each row."""
        sums = {name: float(counts @ column) for name, column in columns.items()}
        clusters = None if cluster is None else Clusters.of(cluster, counts)
        return cls(round(counts.sum()), columns, counts, sums, pairs, clusters)

    @property
    def counted(self) -> bool:
        """Whether sums are counts, as with one run per model."""
        return self.pairs == 1

    def share(self, name: str) -> float:
        """The mean of a column."""
        return self.sums[name] / self.n

    def count(self, name: str) -> float:
        """The sum of a column, an int where it counts samples."""
        return round(self.sums[name]) if self.counted else self.sums[name]

    def rate(self, top: str, bottom: str | None = None) -> Estimate:
        """Mean of `top`, or its share in `bottom`, with Wilson's interval.

        With several runs, at the effective number of samples that has the variance of the means over runs (Korn and
        Graubard, 1998), fewer as Student's t is wider than the normal; which is that of the samples if nothing varies,
        and at most one per pair of runs.
        """
        whole = self.n if bottom is None else self.sums[bottom]
        if whole == 0:
            return UNDEFINED
        if self.counted and self.clusters is None:
            return wilson(round(self.sums[top]), round(whole))
        part = np.ones_like(self.counts) if bottom is None else self.columns[bottom]
        freedom = max(self.n - 1, 1) if self.clusters is None else math.inf  # of clusters they are counted there
        effective = whole if self.counted else self._effective(self.columns[top], part, freedom)
        if self.clusters is not None:
            return self.clusters.rate(self.columns[top], part, effective)
        return wilson(self.sums[top] / whole * effective, effective)

    def worth(self, name: str) -> float:
        """How many single answers tell as much of the mean of a column as its samples do with all their runs."""
        return self.n if self.counted else self._effective(self.columns[name], np.ones_like(self.counts), math.inf)

    def _effective(self, top: Array, part: Array, freedom: float) -> float:
        """The number of single answers whose share has the variance of that of `top` in `part`."""
        whole = float(self.counts @ part)
        share = float(self.counts @ top) / whole
        variance = float(self.counts @ (top - share * part) ** 2) / whole**2
        effective = share * (1 - share) / variance if variance > 0 else whole
        effective *= (Z_95 / student_95(freedom)) ** 2
        return min(effective or whole, whole * self.pairs)

    def mean(self, name: str) -> Estimate:
        """The mean of a column of scores, its interval within 0 and 1 where all scores are."""
        found = self.mean_of(self.columns[name], self._span(name))
        return within(found, 0.0, 1.0) if self.of_fractions(name) else found

    def mean_of(self, values: Array, span: float = 1.0) -> Estimate:
        """The mean of values (m,) of the rows; span: the largest difference that a sample could show."""
        return self._drawn.mean(values, span)

    @property
    def _drawn(self) -> Independent | Clusters:
        return Independent(self.counts) if self.clusters is None else self.clusters

    def difference(self, first: str, second: str, both: str | None = None) -> Estimate:
        """Mean of `first` less that of `second`: Tango's interval where both count samples, else that of the mean.

        both: the column of samples that count in both; None, or a name without a column, if they are not counts.
        """
        counts = self.counted and both in self.sums
        if counts and self.clusters is None:
            alone = [round(self.sums[name] - self.sums[str(both)]) for name in (first, second)]
            return tango(alone[0], alone[1], self.n)
        found = self.mean_of(self.columns[first] - self.columns[second], self._span(first, second))
        found = within(found, -1.0, 1.0) if self.of_fractions(first, second) else found
        return reaching_zero(found, self.p(first, second) or 0.0) if counts else found

    def relative(self, first: str, second: str, both: str | None = None) -> Estimate:
        """`difference` over the mean of `second`: the score interval where both count samples, else of the ratio.

        Not below -1: no rate falls by more than all of it.
        """
        counts = self.counted and both in self.sums
        if counts and self.clusters is None:
            alone = [round(self.sums[name] - self.sums[str(both)]) for name in (first, second)]
            return relative_change(round(self.sums[str(both)]), alone[0], alone[1], self.n)
        change = self.columns[first] - self.columns[second]
        found = within(self._drawn.ratio(change, self.columns[second]), -1.0, math.inf)
        return reaching_zero(found, self.p(first, second) or 0.0) if counts else found

    def mean_size(self, sizes: str, which: str) -> Estimate:
        """Mean of `sizes` of the differences in `which`, all above zero."""
        found = self._drawn.ratio(self.columns[sizes], self.columns[which], self._span(sizes))
        return within(found, 0.0, 1.0 if self.of_fractions(sizes) else math.inf)

    def p(self, up: str, down: str) -> float | None:
        """Exact two-sided p of as many samples in `up` as in `down`: McNemar's, where none is in both, or for clusters
        that of flipping their signs. None where sums are no counts."""
        if not self.counted:
            return None
        if self.clusters is not None:
            return self.clusters.sign_flip_p(self.columns[up], self.columns[down])
        return mcnemar_exact(round(self.sums[up]), round(self.sums[down]))

    def differences(self, up: str, down: str) -> Array:
        """What a row adds to the sum of `up` less that of `down`, (m,)."""
        return self.counts * (self.columns[up] - self.columns[down])

    def _span(self, *names: str) -> float:
        """The largest difference between two samples of these columns, at least 1."""
        return max(1.0, *(float(np.ptp(self.columns[name])) for name in names))

    def of_fractions(self, *names: str) -> bool:
        """Whether all values of these columns lie between 0 and 1."""
        return all(self.columns[name].min() >= 0 and self.columns[name].max() <= 1 for name in names)
