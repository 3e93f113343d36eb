"""Limits on slices: how many tests they are, and what adjusting for their number keeps and still finds."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import pytest

from stillright.config import Policy
from stillright.config.strict import parse
from stillright.errors import ConfigError
from stillright.records import Header, PredictionSet
from stillright.significance import binomial_tail, normal_tail
from stillright.verdict import Gated, gate

LIMIT: dict[str, Any] = {"metric": "nfr", "max": 0.05, "slice": "part"}


def gated(lost: list[int], n: int, *limits: dict[str, Any], **policy: Any) -> Gated:
    """A slice of n right answers for each number of lost ones, under a limit on each slice."""
    old, new = (
        PredictionSet.from_rows(
            Header(name=name, kind="discrete"),
            [
                {"id": f"{part}-{i}", "correct": name == "old" or i >= k, "part": f"{part:02}"}
                for part, k in enumerate(lost)
                for i in range(n)
            ],
        )
        for name in ("old", "new")
    )
    return gate(old, new, parse(Policy, {"limits": [*limits] or [LIMIT], **policy}, "policy.yaml"))


def outcomes(gated: Gated) -> list[str]:
    return [check.outcome for check in gated.verdict.checks if check.metric]


def test_the_number_of_tests_is_said() -> None:
    checks = gated([3, 0, 0], 100).verdict.checks[1:]
    assert [check.tests for check in checks] == [3, 3, 3]
    assert "; one of 3 tests on slices, not adjusted for their number" in checks[0].reason
    (alone,) = gated([3, 0], 100, {**LIMIT, "slice": "part=00"}).verdict.checks[1:]
    assert (alone.tests, "tests on slices" in alone.reason) == (None, False)
    two = gated([3, 0], 100, LIMIT, {**LIMIT, "metric": "btc", "max": None, "min": 0.9}).verdict.checks[1:]
    assert [check.tests for check in two] == [4] * 4
    few = gated([3, 0], 100, LIMIT, {**LIMIT, "min_n": 101}).verdict.checks[1:]  # two are judged
    assert [check.tests for check in few] == [2, 2, None, None]


def test_a_slice_fails_where_its_samples_show_the_limit_broken() -> None:
    """Of 2 lost among 20: p = 1 - 0.95^20 - 20 x 0.05 x 0.95^19 = 0.2642; of 6 among 20: p = 0.00033."""
    found = gated([2, 6], 20, adjust="holm").verdict.checks[1:]
    exact = [1 - sum(comb(20, k) * 0.05**k * 0.95 ** (20 - k) for k in range(lost)) for lost in (2, 6)]
    assert exact == pytest.approx([0.2642, 0.00033], abs=5e-5)
    assert [check.p_adjusted for check in found] == pytest.approx([exact[0], 2 * exact[1]])
    assert [check.outcome for check in found] == ["pass", "fail"]
    assert [check.name for check in found] == [f"nfr, tested <= 0.05 where part = 0{i}" for i in (0, 1)]
    assert "nfr may well be <= 0.05, p = 0.2642; nfr = 0.1000 [" in found[0].reason
    assert "nfr is shown not to be <= 0.05, p = 0.0007" in found[1].reason
    assert "one of 2 tests on slices, adjusted for their number (Holm)" in found[1].reason


def test_more_slices_ask_for_more() -> None:
    """Of 4 lost among 20: p = 0.0159, which shows it alone, but not among four."""
    assert outcomes(gated([4], 20, adjust="holm")) == ["fail"]
    assert outcomes(gated([4, 0, 0, 0], 20, adjust="holm")) == ["pass"] * 4


def test_too_few_samples_to_show_anything_cannot_tell() -> None:
    """One of one lost: p = 0.05, which no result can get below; two of two: 0.0025."""
    assert outcomes(gated([1], 1, adjust="holm")) == ["cannot tell"]
    assert outcomes(gated([2], 2, adjust="holm")) == ["fail"]
    many = gated([2] * 20, 2, adjust="holm")  # 20 x 0.0025 = 0.05
    assert outcomes(many) == ["cannot tell"] * 20
    assert (
        many.verdict.checks[-1].reason
        == "too few samples (2) for any result to show in 20 tests that it is not <= 0.05"
    )


def test_a_floor_and_the_shares_of_other_wholes() -> None:
    floor = {"metric": "btc", "min": 0.95, "slice": "part"}  # 6 of 20 lost is 14 of 20 kept
    below = gated([6, 2], 20, floor, adjust="holm").verdict.checks[1:]
    above = gated([6, 2], 20, LIMIT, adjust="holm").verdict.checks[1:]
    assert [check.p_adjusted for check in below] == pytest.approx([check.p_adjusted for check in above])


def test_what_is_no_share_is_tested_by_its_interval() -> None:
    limit = {"metric": "delta_score", "min": -0.05, "slice": "part"}
    assert outcomes(gated([60, 0], 100, limit, adjust="holm")) == ["fail", "pass"]
    assert normal_tail(1.0, 1.959964) == pytest.approx(0.158655, abs=1e-6)  # one standard error


def test_limits_that_name_a_bound_and_those_on_all_samples_are_held_as_before() -> None:
    value = {**LIMIT, "bound": "value"}
    assert outcomes(gated([2, 1], 20, value, adjust="holm")) == outcomes(gated([2, 1], 20, value)) == ["fail", "pass"]
    whole = {"metric": "nfr", "max": 0.05}
    assert outcomes(gated([2], 20, whole, adjust="holm")) == ["fail"]  # the upper end is 0.30
    with pytest.raises(ConfigError, match="adjust: should be 'none' or 'holm'; did you mean 'holm'"):
        gated([1], 5, adjust="holms")


def test_the_tail_of_a_binomial_distribution() -> None:
    assert binomial_tail(0, 7, 0.3) == 1.0
    assert binomial_tail(3, 3, 0.5) == pytest.approx(0.125)
    assert binomial_tail(2, 3, 0.5) == pytest.approx(0.5)
    assert binomial_tail(1, 100_000, 1e-6) == pytest.approx(1 - (1 - 1e-6) ** 100_000)


def test_false_alarms_of_twenty_slices_stay_at_five_percent() -> None:
    """At the limit itself, where they are most, 20 slices of 500; drawn 2,000 times, with the exact test of a slice."""
    lost = np.random.default_rng(0).binomial(500, 0.05, (2_000, 20))
    p = np.array([binomial_tail(k, 500, 0.05) for k in range(501)])
    alarms = float((20 * p[lost].min(axis=1) < 0.05).mean())  # Holm's first step decides whether any fails
    assert 0.01 < alarms <= 0.05
