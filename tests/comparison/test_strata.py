"""Means over tasks: values worked out by hand, what remains of one task, and intervals that keep tasks as strata."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stillright.comparison.strata import Stratum, effective_n, stratified_mean, stratified_rate
from stillright.stats import Estimate, mean_interval, student_95, wilson

Z = 1.959963984540054


def rate_of(weight: float, events: int, n: int) -> Stratum:
    return Stratum(weight, np.array([1.0, 0.0]), np.array([float(events), float(n - events)]))


def scores(weight: float, *values: float) -> Stratum:
    return Stratum(weight, np.array(values), np.ones(len(values)))


def test_the_variance_is_the_sum_of_those_of_the_tasks() -> None:
    # 10 of 100 and 30 of 100, each half: variances 0.1 x 0.9 / 99 and 0.3 x 0.7 / 99, a quarter of each
    strata = [rate_of(0.5, 10, 100), rate_of(0.5, 30, 100)]
    variance = (0.09 + 0.21) / 99 / 4
    assert sum(each.variance for each in strata) == pytest.approx(variance)
    # of samples of one task with a rate of 0.2 so many would vary as much; t is that of Satterthwaite's freedom
    freedom = 99 * (0.09 + 0.21) ** 2 / (0.09**2 + 0.21**2)
    n = 0.2 * 0.8 / variance * (Z / student_95(freedom)) ** 2
    expected, found = wilson(0.2 * n, n), stratified_rate(strata)
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
    # 40 of 200 without strata: the tasks differ, so the variance between them is left out
    plain = wilson(40, 200)
    assert found.value == pytest.approx(plain.value)
    assert width(found) < width(plain)


def width(found: Estimate) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def test_the_effective_number_of_samples() -> None:
    assert effective_n([rate_of(0.5, 1, 100), rate_of(0.5, 1, 100)]) == pytest.approx(200)
    # weights 1/2 of 100 and 300 samples: 1 / (1/400 + 1/1200) = 300
    assert effective_n([rate_of(0.5, 1, 100), rate_of(0.5, 1, 300)]) == pytest.approx(300)


def test_what_no_task_shows_has_the_width_of_as_many_samples() -> None:
    # weights 1/2: 300 effective samples, Wilson's upper end z² / (300 + z²)
    found = stratified_rate([rate_of(0.5, 0, 100), rate_of(0.5, 0, 300)])
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(Z**2 / (300 + Z**2))


def test_a_small_task_of_large_weight_hides_what_it_does_not_show() -> None:
    # 60 of 1,000 are seen, all in the large task; by its own variance the mean would rest on 4 x 0.03 x 0.97 / (0.06 x
    # 0.94 / 999) = 2,062 samples, although half of it rests on 20
    strata = [rate_of(0.5, 0, 20), rate_of(0.5, 60, 1_000)]
    found = stratified_rate(strata)
    most = effective_n(strata)
    assert most == pytest.approx(4 / (1 / 20 + 1 / 1_000))
    most *= (Z / student_95(999)) ** 2
    expected = wilson(0.03 * most, most)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_the_rate_of_one_task_is_nearly_wilsons() -> None:
    found, plain = stratified_rate([rate_of(1.0, 7, 100)]), wilson(7, 100)
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high), abs=2e-3)


def test_the_mean_of_one_task_is_nearly_that_of_stats() -> None:
    values = np.random.default_rng(0).normal(0.1, 0.3, 200)
    found, plain = stratified_mean([scores(1.0, *values)]), mean_interval(values, np.ones(200))
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high), abs=1e-4)


def test_tasks_far_apart_do_not_widen_the_mean() -> None:
    draw = np.random.default_rng(0)
    noise = draw.normal(0, 0.1, (2, 200))
    near = stratified_mean([scores(0.5, *(0.4 + noise[0])), scores(0.5, *(0.6 + noise[1]))])
    far = stratified_mean([scores(0.5, *(0.1 + noise[0])), scores(0.5, *(0.9 + noise[1]))])
    assert (far.value, far.low, far.high) == pytest.approx((near.value, near.low, near.high))


def test_nothing_that_varies_and_too_few() -> None:
    found = stratified_mean([scores(0.5, *[0.0] * 100), scores(0.5, *[0.0] * 300)])
    assert (found.value, found.high) == pytest.approx((0.0, Z**2 / (300 + Z**2)))
    few = stratified_mean([scores(0.5, 0.1), scores(0.5, 0.3)])
    assert few.value == pytest.approx(0.2)
    assert (few.low, few.high) == (None, None)


def test_a_bootstrap_within_tasks_gives_the_same_interval() -> None:
    draw = np.random.default_rng(1)
    tasks = [draw.normal(mean, 0.2, n) for mean, n in ((0.05, 60), (-0.02, 300))]
    found = stratified_mean([scores(0.5, *each) for each in tasks])
    means = [draw.choice(each, (4_000, len(each))).mean(axis=1) for each in tasks]
    low, high = np.quantile(0.5 * means[0] + 0.5 * means[1], [0.025, 0.975])
    # the bootstrap's error is that of its quantiles; ours counts half a sample more at either side
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.004)
    assert not math.isnan(low)
