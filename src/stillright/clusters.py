"""Intervals and tests of samples in clusters, such as questions about one passage: clusters are drawn, not samples.

Every estimate is a ratio of two sums over clusters, and clusters are independent where their samples are not. So its
interval is that of the mean of the clusters' linearised values: clustered standard errors (Miller, 2024, arXiv
2411.00640; Liang and Zeger, 1986) with Student's t of one degree less than there are clusters. Knows arrays alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillright.significance import Z_95, Array, sign_flip
from stillright.stats import (
    FEWEST,
    UNDEFINED,
    Estimate,
    away_from_median,
    mean_interval,
    ratio_interval,
    student_95,
    wilson,
    within,
)

SURE = 20  # clusters below which intervals hold less surely
EXACT = 5_000  # clusters whose signs are flipped exactly: then the normal p is the same to three digits


@dataclass(frozen=True)
class Independent:
    """Rows whose samples are drawn one by one. counts: (m,), how many samples each row stands for."""

    counts: Array

    def ratio(self, tops: Array, bottoms: Array, span: float = 1.0) -> Estimate:
        """See Clusters.ratio."""
        return ratio_interval(tops, bottoms, self.counts, span)

    def mean(self, values: Array, span: float = 1.0) -> Estimate:
        """See Clusters.mean."""
        return mean_interval(values, self.counts, span)

    def rate(self, tops: Array, wholes: Array, independent: float) -> Estimate:
        """See Clusters.rate."""
        return wilson(float(self.counts @ tops) / float(self.counts @ wholes) * independent, independent)


@dataclass(frozen=True)
class Clusters:
    """Which cluster each row of samples is in.

    codes: (m,), the clusters as 0, 1, ... without a gap; counts: (m,), how many samples each row stands for.
    """

    codes: npt.NDArray[np.int64]
    counts: Array

    @classmethod
    def of(cls, numbers: Array, counts: Array) -> Clusters:
        """The clusters of rows by their `numbers`, which may have gaps."""
        return cls(np.unique(numbers, return_inverse=True)[1], counts)

    @property
    def sizes(self) -> Array:
        """The samples of each cluster, (G,)."""
        return self.sums(np.ones(len(self.codes)))

    def sums(self, column: Array) -> Array:
        """That of a column (m,) within each cluster, (G,)."""
        return np.bincount(self.codes, weights=self.counts * column).astype(np.float64)

    def ratio(self, tops: Array, bottoms: Array, span: float = 1.0) -> Estimate:
        """The ratio of two sums of columns, (m,) each, bottoms not below zero, with its interval.

        span: the largest difference that a sample could show. Clusters of which both sums are zero do not count; no
        interval for fewer than FEWEST others. Undefined where all bottoms are zero.
        """
        above, below = self.sums(tops), self.sums(bottoms)
        tell = (above != 0) | (below != 0)
        above, below = above[tell], below[tell]
        if not (below > 0).any():
            return UNDEFINED
        value, bottom, ones = float(above.sum() / below.sum()), float(below.mean()), np.ones(len(above))
        if len(above) < FEWEST:
            return Estimate(value, None, None)
        means = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
        varying = away_from_median(means, ones)  # a cluster that only is larger shows nothing else
        linear = _left_out(above - value * below, below) / bottom
        found = mean_interval(linear - linear.mean(), ones, span * float(below.max()) / bottom, varying)
        assert found.low is not None
        assert found.high is not None
        return Estimate(value, value + found.low, value + found.high)

    def mean(self, values: Array, span: float = 1.0) -> Estimate:
        """The mean over samples of a column (m,), with its interval; see `ratio`."""
        return self.ratio(values, np.ones(len(values)), span)

    def rate(self, tops: Array, wholes: Array, independent: float) -> Estimate:
        """The share of `tops` in `wholes`, columns (m,), with Wilson's interval at the effective number of samples.

        independent: how many samples it would be worth without clusters. No interval for fewer than FEWEST clusters.
        """
        above, below = self.sums(tops), self.sums(wholes)
        above, below = above[below > 0], below[below > 0]
        share, clusters = float(above.sum() / below.sum()), len(below)
        if clusters < FEWEST:
            return Estimate(share, None, None)
        effect = self._cautious_effect(float(self.counts @ (tops - share * wholes) ** 2), share, above, below)
        alike = max(float(below.sum() ** 2 / (below @ below)), FEWEST)  # as many of one size weigh as unequally
        effective = independent / effect * (clusters - 1) / clusters * (Z_95 / student_95(alike - 1)) ** 2
        return wilson(share * effective, effective)

    def _cautious_effect(self, squares: float, share: float, above: Array, below: Array) -> float:
        """The design effect, at least 1, as if one cluster more were seen: the largest, all of whose samples count,
        where none was seen in which any does (or in which any does not), and the farthest where FEWEST were.

        So a few events are not taken to be independent because no two of them were in one cluster. squares: the sum of
        those of the samples' deviations; above, below: sums of clusters, (G,).
        """
        sums = _left_out(above - share * below, below)
        seen = min(int((above > 0).sum()), int((above < below).sum()))
        farthest = float(np.interp(seen, (0, FEWEST), (below.max(), np.abs(sums).max())))
        of_clusters = float(sums @ sums) + farthest**2
        return max(1.0, of_clusters / (squares + farthest))

    def design_effect(self, values: Array) -> float | None:
        """The variance of the mean of a column (m,) over that of as many independent samples (Kish, 1965); None where
        it does not vary."""
        n, clusters = float(self.counts.sum()), len(self.sizes)
        deviations = values - float(self.counts @ values) / n
        of_samples = float(self.counts @ deviations**2)
        if clusters < 2 or of_samples <= 0:
            return None
        sums = self.sums(deviations)
        return float(sums @ sums) / of_samples * clusters / (clusters - 1) * (n - 1) / n

    def sign_flip_p(self, up: Array, down: Array) -> float:
        """Two-sided p of the test that the sums of two columns of counts, (m,), are equal: without a difference, all
        that differs in a cluster could have the other sign. Exact, but for more than EXACT differing clusters normal.
        """
        return sign_flip_of_sums(self.sums(up - down))


def sign_flip_of_sums(sums: Array) -> float:
    """The p of `Clusters.sign_flip_p` from what differs in each cluster, (G,)."""
    differences, counts = np.unique(sums, return_counts=True)
    if counts[differences != 0].sum() > EXACT:
        return math.erfc(abs(float(counts @ differences)) / math.sqrt(2 * float(counts @ differences**2)))
    return sign_flip(differences, counts.astype(np.float64))


def _left_out(sums: Array, sizes: Array) -> Array:
    """Deviations of clusters' sums, (G,), each from what the others say, by as much as its size holds them back: so
    that squares are not too small where sizes differ (the jackknife; Bell and McCaffrey, 2002, MacKinnon et al., 2023,
    CV3). As they are where all sizes are equal."""
    deviations: Array = sums * (1 - 1 / len(sizes)) / (1 - sizes / sizes.sum())
    return deviations


def drawn_from(numbers: Array | None, counts: Array) -> Independent | Clusters:
    """What is drawn: the samples of rows, or their clusters where these have `numbers`, (m,)."""
    return Independent(counts) if numbers is None else Clusters.of(numbers, counts)


def mean_of_fractions(values: Array, numbers: Array | None = None) -> Estimate:
    """The mean of values (n,) between 0 and 1, undefined without any. numbers: (n,), of their clusters."""
    if not len(values):
        return UNDEFINED
    return within(drawn_from(numbers, np.ones(len(values))).mean(values), 0.0, 1.0)
