"""How likely n samples tell a true value from a limit: against sums over all outcomes, and published factors."""

from __future__ import annotations

import math
from math import comb

import numpy as np
import pytest
from scipy.stats import binom

from stillright.power import needed, needed_for_change, seen_change_with, seen_with, smallest_difference, smallest_fall
from stillright.significance import mcnemar_exact
from stillright.stats import wilson


def share_of_outcomes(n: int, rate: float, limit: float) -> float:
    """How likely Wilson's interval lies on the side of `limit` on which `rate` is, by all outcomes."""

    def is_shown(events: int) -> bool:
        found = wilson(events, n)
        assert found.low is not None
        assert found.high is not None
        return found.high <= limit if rate < limit else found.low >= limit

    return sum(comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(n + 1) if is_shown(k))


@pytest.mark.parametrize(
    ("n", "rate", "limit"),
    [
        (300, 0.01, 0.03),
        (300, 0.06, 0.03),
        (1_000, 0.7, 0.65),
        (50, 0.1, 0.5),
        (124, 0.0, 0.03),
        (20, 0.1, 0.02),  # 2 of 20 begin at 0.3554 / 20 < 0.02, so three must be lost
        (3, 0.25, 0.05),  # 1 of 3 begins at 0.0513 / 3 < 0.05
        (3, 0.75, 0.95),
    ],
)
def test_power_is_the_share_of_outcomes_whose_interval_shows_it(n: int, rate: float, limit: float) -> None:
    assert seen_with(n, rate, limit) == pytest.approx(share_of_outcomes(n, rate, limit), abs=1e-9)


def test_without_flips_a_limit_needs_as_many_samples_as_the_guide_says() -> None:
    # docs/ci.md: Wilson's upper end of 0 of n is z² / (n + z²) <= limit from n = z² (1 - limit) / limit on
    assert [needed(0, limit, 0.8) for limit in (0.01, 0.02, 0.03, 0.05)] == [381, 189, 125, 73]
    assert (seen_with(125, 0, 0.03), seen_with(124, 0, 0.03)) == (1, 0)
    assert (seen_with(34, 1, 0.9), seen_with(35, 1, 0.9)) == (0, 1)  # the same of a floor: z² 0.9 / 0.1 = 34.6


@pytest.mark.parametrize(
    ("rate", "limit", "power"), [(0.01, 0.03, 0.8), (0.05, 0.03, 0.8), (0.9, 0.85, 0.9), (0.25, 0.02, 0.8)]
)
def test_what_is_needed_is_enough_from_there_on(rate: float, limit: float, power: float) -> None:
    n = needed(rate, limit, power)
    assert min(seen_with(size, rate, limit) for size in range(n, n + 300)) >= power
    assert min(seen_with(size, rate, limit) for size in range(max(1, n - 60), n)) < power


def test_more_power_needs_more_samples() -> None:
    assert needed(0.01, 0.03, 0.9) > needed(0.01, 0.03, 0.8)


def test_a_large_size_takes_no_time() -> None:
    n = needed(0.0299, 0.03, 0.8)  # normal: (2.8)² x 0.03 x 0.97 / 0.0001² = 22.8 million
    assert n == pytest.approx(22.8e6, rel=0.01)


def test_a_change_needs_the_usual_number_of_pairs() -> None:
    # (1.960 + 0.842)² x 0.1 / 0.01² = 7,849: a change of one point where a tenth of answers differ
    assert needed_for_change(-0.01, 0.0, 0.1, 0.8) == 7_849
    assert seen_change_with(7_849, -0.01, 0.0, 0.1) == pytest.approx(0.8, abs=1e-4)
    assert seen_change_with(7_849, 0.0, -0.01, 0.1) == pytest.approx(0.8, abs=1e-4)  # either may be the limit


def test_a_change_too_small_for_any_number_of_pairs_needs_infinitely_many() -> None:
    assert needed_for_change(1e-200, 0.0, 0.1, 0.8) == math.inf


def test_a_true_value_at_the_limit_is_never_told_from_it() -> None:
    with pytest.raises(ValueError, match="a true value of 0.03 cannot be told from a limit of 0.03"):
        needed(0.03, 0.03, 0.8)
    with pytest.raises(ValueError, match="cannot be told from a limit of 0"):
        needed_for_change(0.0, 0.0, 0.1, 0.8)


def test_smallest_difference_is_what_a_test_finds_in_8_of_10() -> None:
    generator = np.random.default_rng(0)
    n, discordant = 2_000, 0.1
    least = smallest_difference(discordant, n)
    assert least is not None
    share = [(discordant + least) / 2, (discordant - least) / 2, 1 - discordant]
    found = [mcnemar_exact(int(up), int(down)) < 0.05 for up, down, _ in generator.multinomial(n, share, 2_000)]
    assert 0.76 < np.mean(found) < 0.84


def test_smallest_fall_is_what_an_exact_test_finds_in_8_of_10() -> None:
    # k = (1.960 + 0.842)² = 7.849, so the least fall of 1,000 pairs is 7.849 / 1,007.849
    assert smallest_fall(1_000) == pytest.approx(7.849 / 1_007.849, rel=1e-4)
    # six pairs that agree are the fewest that McNemar's test finds: 2 x 0.5⁶ = 0.031 and 2 x 0.5⁵ = 0.0625
    assert mcnemar_exact(0, 6) < 0.05 < mcnemar_exact(0, 5)
    assert binom.sf(5, 1_000, smallest_fall(1_000)) == pytest.approx(0.8, abs=0.02)


def test_smallest_fall_and_the_pairs_it_needs_agree() -> None:
    fall = smallest_fall(385)
    assert needed_for_change(-fall, 0.0, fall * (1 - fall), 0.8) == 385
