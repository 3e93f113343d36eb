"""Intervals and tests against values worked out by hand and against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from stillright.stats import (
    UNDEFINED,
    Array,
    Estimate,
    estimate,
    holm,
    mcnemar_exact,
    rank_correlation,
    ratio,
    resampled_means,
    sign_flip,
    smallest_difference,
    tango,
    wilson,
)


def test_wilson_by_hand() -> None:
    # p = 0.5, n = 4, z^2 = 3.8415: centre 0.5, half = z / (1 + z^2/4) * sqrt(1/16 + z^2/64) = 0.34996
    estimate = wilson(2, 4)
    assert estimate.value == 0.5
    assert estimate.low == pytest.approx(0.150038, abs=1e-5)
    assert estimate.high == pytest.approx(0.849962, abs=1e-5)


def test_wilson_of_nothing_is_undefined() -> None:
    assert wilson(0, 0) == UNDEFINED


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy(counts: tuple[int, int]) -> None:
    successes, n = counts
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    estimate = wilson(successes, n)
    assert estimate.low == pytest.approx(expected.low, abs=1e-12)
    assert estimate.high == pytest.approx(expected.high, abs=1e-12)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_equals_scipy(gains: int, regressions: int) -> None:
    expected = binomtest(gains, gains + regressions).pvalue if gains + regressions else 1.0
    assert mcnemar_exact(gains, regressions) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_mcnemar_by_hand() -> None:
    # 1 of 5 heads or fewer, two-sided: 2 * (1 + 5) / 32
    assert mcnemar_exact(1, 4) == pytest.approx(0.375)


def test_mcnemar_of_many_is_quick_and_right() -> None:
    assert mcnemar_exact(500_400, 499_600) == pytest.approx(binomtest(500_400, 1_000_000).pvalue, rel=1e-6)
    assert mcnemar_exact(600_000, 400_000) == 0.0


def likelihood_statistic(only_first: int, only_second: int, n: int, delta: float) -> float:
    """Tango's statistic from its definition: the share of only_second that is most likely, given the difference."""
    neither = n - only_first - only_second

    def unlikely(q: float) -> float:
        return -(only_first * math.log(q + delta) + only_second * math.log(q) + neither * math.log(1 - 2 * q - delta))

    found = minimize_scalar(unlikely, bounds=(max(0, -delta) + 1e-12, (1 - delta) / 2 - 1e-12), method="bounded")
    variance = n * (2 * float(found.x) + delta - delta**2)
    return (only_first - only_second - n * delta) / math.sqrt(variance)


@pytest.mark.parametrize(("only_first", "only_second", "n"), [(12, 5, 100), (3, 9, 50), (30, 41, 933)])
def test_tango_solves_its_own_definition(only_first: int, only_second: int, n: int) -> None:
    found = tango(only_first, only_second, n)
    assert found.value == (only_first - only_second) / n
    assert found.low is not None
    assert found.high is not None
    for bound, z in ((found.low, 1.96), (found.high, -1.96)):
        assert likelihood_statistic(only_first, only_second, n, bound) == pytest.approx(z, abs=2e-3)


def test_tango_has_a_width_where_nothing_differs() -> None:
    # by hand: with no discordant pair the bounds are -+z^2 / (n + z^2)
    z2 = 1.959964**2
    found = tango(0, 0, 20)
    assert (found.value, found.low, found.high) == pytest.approx((0, -z2 / (20 + z2), z2 / (20 + z2)), abs=1e-6)
    assert tango(0, 0, 0) == UNDEFINED
    assert tango(5, 0, 5).high == pytest.approx(1.0)


def test_sign_flips_by_hand() -> None:
    # 2 and -1 add up to 1 with p = 1 (all of +-2+-1 are 1 or 3); 2, 1 and 1 to 4 in two of eight ways
    assert sign_flip(np.array([2.0, -1.0, 0.0]), np.array([1.0, 1.0, 5.0])) == pytest.approx(1)
    assert sign_flip(np.array([2.0, 1.0]), np.array([1.0, 2.0])) == pytest.approx(2 / 8)
    assert sign_flip(np.array([0.0]), np.array([9.0])) == 1
    assert sign_flip(np.array([]), np.array([])) == 1


@given(st.integers(0, 60), st.integers(0, 60))
def test_flipped_signs_of_one_size_are_mcnemar(up: int, down: int) -> None:
    found = sign_flip(np.array([3.0, -3.0]), np.array([float(up), float(down)]))
    assert found == pytest.approx(mcnemar_exact(up, down), rel=1e-9)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 200))
def test_tango_is_the_same_either_way(only_first: int, only_second: int, others: int) -> None:
    n = only_first + only_second + others
    forward, backward = tango(only_first, only_second, n), tango(only_second, only_first, n)
    assert forward.low is not None
    assert forward.value is not None
    assert forward.high is not None
    assert backward.high == pytest.approx(-forward.low, abs=1e-9)
    assert -1 <= forward.low <= forward.value <= forward.high <= 1


def ones(n: int) -> Array:
    return np.ones(n)


@pytest.mark.parametrize("n", [400, 3_000, 30_000])  # counts drawn, samples drawn, the normal limit
def test_bootstrap_of_a_mean_is_the_normal_interval(n: int) -> None:
    values = np.random.default_rng(0).normal(size=n)
    mean = estimate(resampled_means({"x": values}, ones(n))["x"])
    half = 1.96 * values.std() / math.sqrt(n)
    assert mean.value == pytest.approx(values.mean())
    assert mean.low == pytest.approx(values.mean() - half, abs=half / 8)
    assert mean.high == pytest.approx(values.mean() + half, abs=half / 8)


@pytest.mark.parametrize("n", [400, 3_000, 30_000])
def test_differences_are_paired(n: int) -> None:
    a = np.random.default_rng(0).normal(size=n)
    means = resampled_means({"a": a, "b": a + 0.25}, ones(n))
    difference = estimate(means["b"] - means["a"])
    assert (difference.value, difference.low, difference.high) == pytest.approx((0.25, 0.25, 0.25))


def test_counts_stand_for_repeated_rows() -> None:
    values = np.array([0.0, 1.0])
    counted = estimate(resampled_means({"x": values}, np.array([6000.0, 2000.0]))["x"])
    assert counted.value == 0.25
    expected = wilson(2000, 8000)
    assert expected.low is not None
    assert expected.high is not None
    assert counted.low == pytest.approx(expected.low, abs=1e-3)
    assert counted.high == pytest.approx(expected.high, abs=1e-3)


def test_bootstrap_is_seeded() -> None:
    values = {"x": np.random.default_rng(0).normal(size=50)}
    first, again, other = (resampled_means(values, ones(50), seed)["x"] for seed in (3, 3, 4))
    assert (first == again).all()
    assert (first != other).any()


def test_bootstrap_of_a_constant_has_no_width() -> None:
    assert estimate(resampled_means({"x": ones(10)}, ones(10))["x"]) == Estimate(1.0, 1.0, 1.0)


def test_an_undefined_ratio_is_undefined() -> None:
    assert estimate(ratio(np.array([0.0, 1.0]), np.array([0.0, 1.0]))) == UNDEFINED


def test_smallest_difference_is_what_a_test_finds_in_8_of_10() -> None:
    generator = np.random.default_rng(0)
    n, discordant = 2_000, 0.1
    least = smallest_difference(discordant, n)
    assert least is not None
    share = [(discordant + least) / 2, (discordant - least) / 2, 1 - discordant]
    found = [mcnemar_exact(int(up), int(down)) < 0.05 for up, down, _ in generator.multinomial(n, share, 2_000)]
    assert 0.76 < np.mean(found) < 0.84


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_raises_the_order_and_equals_the_definition(p_values: list[float]) -> None:
    m, order = len(p_values), np.argsort(p_values, kind="stable")
    expected = dict.fromkeys(range(m), 0.0)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (m - rank) * p_values[i]))
        expected[int(i)] = largest
    assert holm(p_values) == pytest.approx(list(expected.values()))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_rank_correlation_by_hand() -> None:
    assert list(rank_correlation([1, 2, 3, 4], [9, 7, 5, 1])) == [pytest.approx(-1), pytest.approx(2 / 24)]
    rho, p = rank_correlation([1, 2, 3], [1, 3, 2])  # 1 - 6 * 2 / (3 * 8)
    assert rho == pytest.approx(0.5)
    assert p == pytest.approx(1.0)  # of the six orders all have |rho| of 0.5 or 1
    assert rank_correlation([1, 2], [2, 1]) == (None, None)
    assert rank_correlation([1, 1, 1], [2, 1, 3]) == (None, None)
    long = [float(i) for i in range(12)]
    assert list(rank_correlation(long, long)) == [pytest.approx(1), pytest.approx(1 / 20_001)]
