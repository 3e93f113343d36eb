"""Intervals of means and ratios of means against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from stillright.significance import Array
from stillright.stats import UNDEFINED, Estimate, correlation, mean_interval, over, ratio_interval, slope


def ones(n: int) -> Array:
    return np.ones(n)


def test_the_interval_of_a_symmetric_mean_by_hand() -> None:
    # ten values -1 and ten 1, mean 0, no skew: squares 20, and one more (half a sample at either side)
    found = mean_interval(np.array([-1.0, 1.0]), np.array([10.0, 10.0]))
    half = student.ppf(0.975, 19) * math.sqrt(21 / 19 / 20)
    assert (found.value, found.low, found.high) == pytest.approx((0.0, -half, half), abs=1e-5)


def test_the_interval_of_a_skewed_mean_by_hand() -> None:
    # one 1 among ten: mean 0.1, squares 0.9, cubes 0.72; skew = 0.072 / 0.1 ** 1.5 = 2.27684; fewer than ten differ
    # from the median, so half a sample more is 1 away at either side: sd = sqrt((0.9 + 1) / 9); t = 2.26216 / sqrt(10)
    found = mean_interval(np.array([0.0, 1.0]), np.array([9.0, 1.0]))
    skew, sd, t = 2.27684, 0.45947, 0.71536
    # Hall: x + skew x^2 / 3 + skew^2 x^3 / 27 + skew / 60 = -t at the upper end; Student's end is farther at the lower
    assert found.low == pytest.approx(0.1 - sd * t, abs=1e-4)
    assert found.high is not None
    x = (0.1 - found.high) / sd
    assert x + skew * x**2 / 3 + skew**2 * x**3 / 27 + skew / 60 == pytest.approx(-t, abs=1e-3)


@pytest.mark.parametrize("n", [400, 30_000])
def test_the_interval_of_many_samples_is_the_normal_one(n: int) -> None:
    values = np.random.default_rng(0).normal(size=n)
    found = mean_interval(values, ones(n))
    half = 1.96 * values.std() / math.sqrt(n)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=half / 20)
    assert found.high == pytest.approx(values.mean() + half, abs=half / 20)


def test_counts_stand_for_repeated_rows() -> None:
    values, counts = np.array([0.0, 0.3, 1.0]), np.array([5.0, 8.0, 3.0])
    repeated = mean_interval(np.repeat(values, [5, 8, 3]), ones(16))
    counted = mean_interval(values, counts)
    assert (counted.value, counted.low, counted.high) == pytest.approx((repeated.value, repeated.low, repeated.high))


@given(st.lists(st.floats(-1, 1), min_size=10, max_size=40), st.sampled_from([1e-6, 1.0, 1e6]))
def test_the_interval_of_a_mean_keeps_to_its_scale(values: list[float], scale: float) -> None:
    drawn = np.round(np.array(values), 3)
    plain, scaled, mirrored = (
        mean_interval(each, ones(len(drawn)), span) for each, span in ((drawn, 1), (drawn * scale, scale), (-drawn, 1))
    )
    assert plain.low is not None
    assert plain.high is not None
    assert plain.low <= drawn.mean() + 1e-12
    assert drawn.mean() <= plain.high + 1e-12
    assert (scaled.low, scaled.high) == pytest.approx((scale * plain.low, scale * plain.high), abs=1e-9 * scale)
    assert (mirrored.low, mirrored.high) == pytest.approx((-plain.high, -plain.low), abs=1e-9)


def test_a_constant_is_as_wide_as_where_no_answer_differs() -> None:
    z2 = 1.959964**2
    found = mean_interval(ones(20), ones(20), span=2.0)
    half = 2 * z2 / (20 + z2)
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 1 - half, 1 + half), abs=1e-6)


def test_fewer_than_ten_samples_are_too_few() -> None:
    nine, ten = (mean_interval(np.arange(n, dtype=np.float64), ones(n)) for n in (9, 10))
    assert nine == Estimate(4.0, None, None)
    assert nine.too_few
    assert not ten.too_few
    assert not UNDEFINED.too_few


def test_a_ratio_of_means_by_hand() -> None:
    # samples of which both are zero do not count; with bottoms of one the ratio is the mean of the tops
    tops, bottoms = np.array([0.0, 0.2, 0.4]), np.array([0.0, 1.0, 1.0])
    found = ratio_interval(tops, bottoms, np.array([90.0, 6.0, 6.0]))
    mean = mean_interval(np.array([0.2, 0.4]), np.array([6.0, 6.0]))
    assert (found.value, found.low, found.high) == pytest.approx((mean.value, mean.low, mean.high))
    assert ratio_interval(tops, bottoms, np.array([90.0, 4.0, 5.0])).too_few
    assert ratio_interval(tops, 0 * bottoms, np.array([90.0, 6.0, 6.0])) == UNDEFINED


def test_an_estimate_over_a_number() -> None:
    assert over(Estimate(0.2, 0.1, 0.4), 0.5) == Estimate(0.4, 0.2, 0.8)
    assert over(Estimate(0.2, 0.1, 0.4), 0.0) == UNDEFINED
    assert over(UNDEFINED, 0.5) == UNDEFINED


# twenty samples around the line y = x / 2, each 0.1 off it, as often above as below at either x
X = np.array([1.0, -1.0] * 10)
OFF = np.array([0.1, 0.1, -0.1, -0.1] * 5)
T_20 = student.ppf(0.975, 19) * math.sqrt(21 / 19 / 20)  # half an interval of twenty values, ten 1 and ten -1


def test_the_slope_of_a_line_by_hand() -> None:
    # x has mean 0 and mean square 1, so the linearised samples are 0.5 + x * off: 0.4 and 0.6, ten times each
    found = slope(X, 3 + X / 2 + OFF)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5 - 0.1 * T_20, 0.5 + 0.1 * T_20), abs=1e-5)


def test_a_correlation_by_hand() -> None:
    # y has variance 0.26, so r = 0.5 / sqrt(0.26) = 0.98058; standardised, a sample with off = 0.1 * x gives
    # 0.6 / 0.50990 - r * (1 + 0.36 / 0.26) / 2 = 0.00754, and one with the other sign as much below
    found = correlation(X, 3 + X / 2 + OFF)
    ends = (0.98058 - 0.00754 * T_20, 0.98058 + 0.00754 * T_20)
    assert (found.value, found.low, found.high) == pytest.approx((0.98058, *ends), abs=1e-5)


def test_a_line_without_deviations_is_known() -> None:
    for found, value in ((slope(X, 2 * X), 2.0), (correlation(X, 2 * X), 1.0), (correlation(X, -X), -1.0)):
        assert (found.value, found.low, found.high) == pytest.approx((value, value, value))


def test_what_does_not_vary_has_no_slope_and_no_correlation() -> None:
    constant = np.full(20, 0.1) + 0.2  # whose mean is another number than it, by rounding
    assert slope(constant, X) == correlation(constant, X) == correlation(X, constant) == UNDEFINED
    assert slope(X, constant).value == pytest.approx(0)
    assert slope(np.array([]), np.array([])) == UNDEFINED


def test_nine_samples_have_a_slope_without_an_interval() -> None:
    for found, value in ((slope(X[:9], X[:9] / 2), 0.5), (correlation(X[:9], X[:9] / 2), 1.0)):
        assert found.value == pytest.approx(value)
        assert found.too_few


def test_an_estimate_is_shown_with_its_interval() -> None:
    assert Estimate(0.12, 0.1, 0.14).shown() == "0.12 [0.10, 0.14]"
    assert Estimate(0.012, -0.004, 0.02).shown("+", 100, " %") == "+1.20 % [-0.40, +2.00]"
    assert Estimate(0.12, None, None).shown() == "0.12 [too few]"
    assert UNDEFINED.shown() == "undefined"
