"""Intervals and tests against values worked out by hand and against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import binom, binomtest, poisson

from stillright.significance import Array, holm, mcnemar_exact, rank_correlation, sign_flip
from stillright.stats import UNDEFINED, relative_change, tango, wilson


def test_wilson_by_hand() -> None:
    # p = 0.5, n = 16, z^2 = 3.8415: centre 0.5, half = z / (1 + z^2/16) * sqrt(1/64 + z^2/1024) = 0.22000
    estimate = wilson(8, 16)
    assert estimate.value == 0.5
    assert estimate.low == pytest.approx(0.279996, abs=1e-5)
    assert estimate.high == pytest.approx(0.720004, abs=1e-5)


def test_few_events_have_a_poisson_bound() -> None:
    # one event or more is 5 % likely at a mean of -ln 0.95 = 0.0513; Wilson's bound would be 0.0089
    assert wilson(1, 20).low == pytest.approx(-math.log(0.95) / 20, abs=1e-6)
    assert wilson(19, 20).high == pytest.approx(1 + math.log(0.95) / 20, abs=1e-6)
    assert (wilson(0, 20).low, wilson(20, 20).high) == (0.0, 1.0)


@pytest.mark.parametrize("events", [1, 2, 3])
def test_few_events_or_more_are_5_percent_likely_at_their_bound(events: int) -> None:
    low = wilson(events, 1000).low
    assert low is not None
    assert poisson.sf(events - 1, 1000 * low) == pytest.approx(0.05, abs=1e-5)


@pytest.mark.parametrize("n", [20, 100])
def test_rates_of_rare_events_are_held(n: int) -> None:
    # by summing all outcomes: Wilson's unmodified interval holds 0.6 % in 88.7 % of samples of 20
    for rate in (0.06, 0.006):
        found = [(binom.pmf(k, n, rate), wilson(k, n)) for k in range(n + 1)]
        assert sum(p for p, each in found if (each.low or 0) <= rate <= (each.high or 0)) > 0.94


def test_wilson_of_nothing_is_undefined() -> None:
    assert wilson(0, 0) == UNDEFINED


@given(st.integers(8, 3000).flatmap(lambda n: st.tuples(st.integers(4, n - 4), st.just(n))))
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


def test_an_interval_reaches_zero_where_the_exact_test_does_not_reject_it() -> None:
    # five of five flips one way: p = 2 / 32 = 0.0625, while Tango's own bound is above zero
    assert tango(5, 0, 100).low == 0.0
    assert tango(0, 5, 100).high == 0.0
    assert relative_change(3, 0, 5, 100).high == 0.0
    assert (tango(6, 0, 100).low or 0) > 0  # p = 2 / 64


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 300))
def test_p_and_intervals_do_not_contradict_each_other(both: int, first: int, second: int, neither: int) -> None:
    n = both + first + second + neither
    rejected = mcnemar_exact(first, second) < 0.05
    for found in (tango(first, second, n), relative_change(both, first, second, n)):
        if found.low is not None and found.high is not None:
            assert (found.low > 0 or found.high < 0) == rejected


@pytest.mark.parametrize("counts", [(3, 1, 3, 100), (30, 10, 50, 1000), (2, 9, 4, 60)])
def test_a_relative_change_solves_its_own_definition(counts: tuple[int, int, int, int]) -> None:
    both, first, second, n = counts
    found = relative_change(both, first, second, n)
    assert found.value == pytest.approx((first - second) / (both + second))
    for bound, z in ((found.low, 1.96), (found.high, -1.96)):
        assert bound is not None
        assert ratio_statistic(both, first, second, n, 1 + bound) == pytest.approx(z, abs=5e-3)


def ratio_statistic(both: int, first: int, second: int, n: int, ratio: float) -> float:
    """The score statistic from its definition: the cells that are most likely, given the ratio of the proportions."""

    def cells(only_second: float, in_both: float) -> tuple[float, float]:
        only_first = ratio * (in_both + only_second) - in_both
        return only_first, 1 - only_first - only_second - in_both

    def unlikely(shares: Array) -> float:
        only_second, in_both = shares
        only_first, neither = cells(only_second, in_both)
        if min(only_second, in_both, only_first, neither) <= 0:
            return math.inf
        counts, cell = (first, second, both, n - first - second - both), (only_first, only_second, in_both, neither)
        return -sum(count * math.log(share) for count, share in zip(counts, cell, strict=True))

    start = np.array([0.2, 0.1 * ratio]) / (1 + ratio)  # all four cells above zero
    found = minimize(unlikely, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4000})
    only_second, in_both = found.x
    only_first, _ = cells(only_second, in_both)
    variance = n * (only_first + ratio**2 * only_second + (1 - ratio) ** 2 * in_both)
    return (both + first - ratio * (both + second)) / math.sqrt(variance)


def test_a_relative_change_where_nothing_counts_in_the_second() -> None:
    assert relative_change(0, 4, 0, 20) == UNDEFINED
    gone = relative_change(0, 0, 7, 20)
    assert (gone.value, gone.low) == (-1.0, -1.0)
    assert gone.high is not None
    assert -1 < gone.high < 0  # p = 2 / 128


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
