"""Intervals and tests of samples in clusters: by hand, and what must stay the same however samples are clustered."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import product

import numpy as np
import pytest

from stillright.clusters import Clusters
from stillright.significance import Z_95
from stillright.stats import UNDEFINED, mean_interval, student_95, wilson

GENERATOR = np.random.default_rng(4)


def clusters(codes: list[int]) -> Clusters:
    return Clusters.of(np.array(codes, dtype=np.float64), np.ones(len(codes)))


def test_copies_of_a_sample_tell_no_more_than_the_sample() -> None:
    values = GENERATOR.random(15)
    copied = clusters([i for i in range(15) for _ in range(4)])
    one = mean_interval(values, np.ones(15))
    found = copied.mean(np.repeat(values, 4))
    assert (found.value, found.low, found.high) == pytest.approx((one.value, one.low, one.high))


def test_rows_that_stand_for_several_samples_are_those_samples() -> None:
    written_out = clusters([0, 0, 0, *range(1, 12)]).mean(np.array([1.0, 1.0, 0.0, *[0.5, 0.25] * 5, 1.0]))
    counted = Clusters.of(np.array([0.0, 0.0, *range(1, 12)]), np.array([2.0, 1.0, *[1.0] * 11]))
    found = counted.mean(np.array([1.0, 0.0, *[0.5, 0.25] * 5, 1.0]))
    assert found == written_out


def test_a_mean_has_the_clustered_standard_error() -> None:
    # symmetric, far from 0 and 1: skew does not matter
    codes = [g for g in range(12) for _ in range(50)]
    values = np.array([0.5 + 0.01 * (g - 5.5) for g in codes])
    # clusters' means deviate by ±0.005, ±0.015 ... ±0.055: sum of squares 0.0143; half a time more at either side the
    # farthest: 0.0143 + 0.055²; so SE = sqrt(of this / 11) / sqrt(12)
    half = student_95(11) * math.sqrt((0.0143 + 0.055**2) / 11 / 12)
    found = clusters(codes).mean(values)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))


def test_a_rate_has_wilson_s_interval_at_the_effective_number() -> None:
    # twenty clusters of five, ten of them wholly right and ten wholly wrong: worth one sample a cluster
    codes = [g for g in range(20) for _ in range(5)]
    right = np.array([float(g < 10) for g in codes])
    found = clusters(codes).rate(right, np.ones(100), 100)
    # sums deviate by ±2.5: (20 * 6.25 + 6.25) over (100 * 0.25 + 2.5) is the cautious effect
    effective = 100 / (131.25 / 27.5) * 19 / 20 * (Z_95 / student_95(19)) ** 2
    assert found == wilson(0.5 * effective, effective)
    assert clusters(codes).design_effect(right) == pytest.approx(5 * 20 / 19 * 99 / 100)


def test_no_event_tells_at_most_as_much_as_one_sample_a_cluster() -> None:
    codes = [g for g in range(30) for _ in range(10)]
    none = clusters(codes).rate(np.zeros(300), np.ones(300), 300)
    high = wilson(0.0, 30).high
    assert none.value == none.low == 0.0
    assert none.high is not None
    assert high is not None
    assert none.high > high


def test_few_clusters_have_no_interval() -> None:
    codes = [g for g in range(9) for _ in range(100)]
    right = GENERATOR.random(900) < 0.5
    assert clusters(codes).rate(right.astype(float), np.ones(900), 900).too_few
    assert clusters(codes).mean(right.astype(float)).too_few
    assert clusters([0, 0]).design_effect(np.array([0.0, 1.0])) is None
    assert clusters([0, 1]).ratio(np.zeros(2), np.zeros(2)) == UNDEFINED


def test_clusters_without_the_denominator_do_not_count() -> None:
    codes = [g for g in range(24) for _ in range(2)]
    part = np.array([float(g < 12) for g in codes])
    top = part * np.array([0.0, 1.0] * 24)
    few = clusters([g for g in codes if g < 12])
    assert clusters(codes).rate(top, part, 24) == few.rate(top[:24], part[:24], 24)
    assert clusters(codes).ratio(top, part) == few.ratio(top[:24], part[:24])


def test_a_larger_cluster_is_no_other_one() -> None:
    # nothing differs but sizes, so the interval is as wide as where nothing was seen, for the largest cluster
    sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    codes = [g for g, size in enumerate(sizes) for _ in range(size)]
    found = clusters(codes).mean(np.zeros(55))
    half = 10 / 5.5 * Z_95**2 / (10 + Z_95**2)
    assert (found.value, found.low, found.high) == pytest.approx((0.0, -half, half))


@pytest.mark.parametrize("seed", range(5))
def test_signs_of_clusters_are_flipped_together(seed: int) -> None:
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 7, 20)
    up = generator.integers(0, 2, 20).astype(float)
    down = generator.integers(0, 2, 20) * (1 - up)
    sums: dict[int, float] = defaultdict(float)
    for code, gap in zip(codes.tolist(), (up - down).tolist(), strict=True):
        sums[code] += gap
    all_flips = [
        sum(s * gap for s, gap in zip(signs, sums.values(), strict=True))
        for signs in product((1, -1), repeat=len(sums))
    ]
    p = sum(abs(flip) >= abs(sum(sums.values())) for flip in all_flips) / len(all_flips)
    assert Clusters.of(codes.astype(float), np.ones(20)).sign_flip_p(up, down) == pytest.approx(p)
