"""Intervals and tests against values worked out by hand and against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from stillright.stats import UNDEFINED, Array, Estimate, bootstrap, mcnemar_exact, wilson


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


def _mean(means: Array) -> Array:
    return means[:, 0]


def test_bootstrap_covers_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(size=(400, 1))
    estimate = bootstrap(values, _mean)
    half = 1.96 * values.std() / 20
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.02)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.02)


def test_bootstrap_is_seeded() -> None:
    values = np.random.default_rng(0).normal(size=(50, 1))
    assert bootstrap(values, _mean, seed=3) == bootstrap(values, _mean, seed=3)
    assert bootstrap(values, _mean, seed=3) != bootstrap(values, _mean, seed=4)


def test_bootstrap_of_a_constant_has_no_width() -> None:
    assert bootstrap(np.ones((10, 1)), _mean) == Estimate(1.0, 1.0, 1.0)


def test_bootstrap_of_nothing_is_undefined() -> None:
    assert bootstrap(np.empty((0, 1)), _mean) == UNDEFINED
