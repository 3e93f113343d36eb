"""Every metric on tables small enough to count by hand, and the invariants that must hold on any table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from letters import COMPAT, NEW, OLD, continuous, discrete
from stillright.comparison import Flips, compare
from stillright.comparison.quadrants import exchanged, quadrants, score_parts
from stillright.errors import ConfigError
from stillright.power import smallest_difference
from stillright.records import Header, PredictionSet
from stillright.significance import mcnemar_exact
from stillright.stats import wilson


def test_quadrants_by_hand() -> None:
    flips = compare(discrete("old", OLD), discrete("new", NEW)).comparison
    assert (flips.both_right, flips.gain, flips.both_wrong, flips.regression) == (3, 2, 1, 2)
    assert flips.nfr == wilson(2, 8)
    assert flips.pfr == wilson(2, 8)
    assert flips.nfr_mc == wilson(3, 8)  # the last row: C became B, both wrong
    assert flips.nfr_of_old_right == wilson(2, 5)
    assert flips.nfi == wilson(2, 3)
    assert flips.btc == wilson(3, 5)
    assert flips.mcnemar_p == 1.0
    assert flips.delta_score.value == 0
    assert flips.mean_gain.value is None
    assert flips.smallest_difference == smallest_difference(4 / 8, 8)


def test_flips_of_chance_by_hand() -> None:
    old, new = (discrete(name, answers, choices=[3] * 8) for name, answers in (("old", OLD), ("new", NEW)))
    flips = compare(old, new).comparison
    # unrelated models with 5/8 right each: 5/8 * 3/8 flips, and half of 3/8 * 3/8 changed mistakes among two wrong ones
    assert flips.nfr_of_chance.value == pytest.approx((2 / 8) / (15 / 64))
    assert flips.nfr_mc_of_chance.value == pytest.approx((3 / 8) / (15 / 64 + 9 / 64 / 2))
    assert compare(discrete("old", OLD), discrete("new", NEW)).comparison.nfr_mc_of_chance.value is None


def test_candidate_by_hand() -> None:
    comparison = compare(discrete("old", OLD), discrete("new", NEW), [discrete("compat", COMPAT)])
    candidate = comparison.candidates[0]
    assert (comparison.old.score, comparison.new.score, candidate.score) == (5 / 8, 5 / 8, 6 / 8)
    assert candidate.comparison.regression == 1
    assert candidate.comparison.nfr_mc == wilson(1, 8)  # C stayed C
    assert candidate.delta_score.value == pytest.approx(1 / 8)
    assert candidate.delta_nfr.value == pytest.approx(-1 / 8)
    assert candidate.delta_nfr_relative.value == pytest.approx(-1 / 2)
    assert candidate.delta_nfr_p == mcnemar_exact(1, 0)  # one flip of new alone, none of the candidate alone


def test_restored_and_newly_lost_by_hand() -> None:
    # old has rows 0 to 4 right; new loses 2, 3 and 4; the candidate has 2 and 3 again, but loses 1 (and 4, as new does)
    old, new, candidate = (
        discrete(name, text) for name, text in zip("onc", ("AAAAAB", "AABBBA", "ABAABB"), strict=True)
    )
    comparison = compare(old, new, [candidate])
    (found,) = comparison.candidates
    assert (found.restored, found.newly_lost) == (2, 1)
    assert (comparison.comparison.regression, found.comparison.regression) == (3, 2)
    assert found.delta_nfr.value == pytest.approx((1 - 2) / 6)
    assert found.delta_nfr_p == mcnemar_exact(2, 1)


def test_restored_scores_by_hand() -> None:
    # against old, new falls in rows 0 and 1; the candidate falls in 1 and 2, and rises in 0 without being asked to
    old, new = continuous("old", [0.5, 0.5, 0.5, 0.5]), continuous("new", [0.25, 0.25, 0.5, 0.75])
    (found,) = compare(old, new, [continuous("candidate", [0.75, 0.4, 0.25, 0.5])]).candidates
    assert (found.restored, found.newly_lost) == (1, 1)
    assert found.delta_nfr.value == 0
    (found,) = compare(old, new, [continuous("candidate", [0.4, 0.4, 0.25, 0.5])], epsilon=0.2).candidates
    assert (found.restored, found.newly_lost) == (2, 1)  # 0.1 below old is no loss


def test_restored_is_a_mean_over_runs() -> None:
    old, new, again = discrete("old", "AA"), discrete("new", "BA"), discrete("new", "BB")
    (found,) = compare(old, new, [discrete("candidate", "AB")], new_runs=[again]).candidates
    # row 0 is lost by both runs of new, and restored; row 1 is lost by the candidate, and kept by one run of new
    assert (found.restored, found.newly_lost) == (1, 0.5)
    assert found.delta_nfr.value == pytest.approx((0.5 - 1) / 2)


def test_several_right_answers() -> None:
    def rows(*answers: str) -> list[dict[str, Any]]:
        return [{"id": str(i), "prediction": a, "reference": ["A", "B"]} for i, a in enumerate(answers)]

    old = PredictionSet.from_rows(Header(name="old"), rows("A", "A", "C"))
    new = PredictionSet.from_rows(Header(name="new"), rows("B", "C", "B"))
    flips = compare(old, new).comparison
    assert (flips.both_right, flips.gain, flips.regression) == (1, 1, 1)
    assert flips.nfr_mc == wilson(1, 3)  # right to wrong; from one right answer to another nothing is lost
    assert flips.answer_changed == wilson(1, 3)


def test_a_right_answer_in_other_words_is_no_flip() -> None:
    def rows(*answers: tuple[str, bool]) -> list[dict[str, Any]]:
        return [
            {"id": i, "output": text, "correct": right, "reference": "Orra"} for i, (text, right) in enumerate(answers)
        ]

    old = rows(("The river Orra", True), ("Orra it is", True), ("Tann", False), ("Tann", False), ("Orra", True))
    new = rows(("Orra", True), ("Orra!", True), ("Belm", False), ("Tann", False), ("Orra", False))
    flips = compare(PredictionSet.from_rows(Header(name="old"), old), PredictionSet.from_rows(Header(name="new"), new))
    assert (flips.comparison.nfr, flips.comparison.nfr_mc) == (wilson(1, 5), wilson(2, 5))  # lost, and a new mistake
    assert flips.comparison.answer_changed.value is None  # no sample has several right answers


def test_verdicts_alone() -> None:
    old = PredictionSet.from_rows(Header(name="old"), [{"id": 1, "correct": True}, {"id": 2, "correct": False}])
    new = PredictionSet.from_rows(Header(name="new"), [{"id": 1, "correct": False}, {"id": 2, "correct": False}])
    flips = compare(old, new).comparison
    assert flips.nfr == wilson(1, 2)
    assert flips.nfr_mc.value is None  # a changed mistake cannot be seen without answers


def test_continuous_by_hand() -> None:
    old = continuous("old", [0.5, 0.5, 0.5, 0.5])
    new = continuous("new", [0.75, 1.0, 0.5, 0.25])
    flips = compare(old, new).comparison
    assert (flips.gain, flips.unchanged, flips.regression) == (2, 1, 1)
    assert flips.nfr == wilson(1, 4)
    assert flips.mean_gain.value == pytest.approx((0.25 + 0.5) / 2)
    assert flips.mean_regression.value == pytest.approx(0.25)
    assert flips.delta_score.value == pytest.approx(0.125)
    assert flips.sign_p == 1.0  # two up, one down
    # differences 1/4, 1/2, 0, -1/4: mean of squares 3/32, less the squared mean 1/64
    assert flips.smallest_difference == pytest.approx(smallest_difference(3 / 32 - 1 / 64, 4))
    assert flips.nfr_mc.value is None
    assert flips.mcnemar_p is None


def test_a_constant_difference_has_no_variance() -> None:
    flips = compare(continuous("old", [0.25, 0.5]), continuous("new", [0.5, 0.75])).comparison
    assert flips.smallest_difference is None
    flips = compare(continuous("old", [0.3, 0.6]), continuous("new", [0.4, 0.7])).comparison
    assert flips.smallest_difference == pytest.approx(0, abs=1e-15)  # but for rounding


def test_epsilon_is_the_least_change_that_counts() -> None:
    old = continuous("old", [0.5, 0.5, 0.5, 0.5])
    new = continuous("new", [0.75, 1.0, 0.5, 0.25])
    flips = compare(old, new, epsilon=0.25).comparison
    assert (flips.gain, flips.unchanged, flips.regression) == (1, 3, 0)
    assert flips.mean_gain.value == pytest.approx(0.5)
    assert flips.mean_regression.value is None
    with pytest.raises(ConfigError, match="below zero"):
        compare(old, new, epsilon=-0.1)


def test_undefined_denominators_are_null() -> None:
    flips = compare(discrete("old", "BB"), discrete("new", "AA")).comparison
    assert flips.nfr_of_old_right.value is None  # old has nothing right
    assert flips.nfi.value is None  # new has nothing wrong
    assert flips.nfr_of_chance.value is None
    same = compare(continuous("old", [0.5]), continuous("new", [0.5])).comparison
    assert same.mean_gain.value is None
    assert same.mean_regression.value is None


answers = st.text("ABC", min_size=8, max_size=8)


@given(answers, answers)
def test_invariants(old: str, new: str) -> None:
    forward = compare(discrete("old", old), discrete("new", new))
    backward = compare(discrete("new", new), discrete("old", old))
    flips = forward.comparison
    assert (flips.gain, flips.regression) == (backward.comparison.regression, backward.comparison.gain)
    assert _total(flips) == forward.n == 8
    assert flips.nfr.value is not None
    assert flips.nfr_mc.value is not None
    assert flips.nfr.value <= flips.nfr_mc.value <= 1 - forward.new.score + 1e-12


def _total(flips: Flips) -> float:
    return sum(
        part or 0 for part in (flips.both_right, flips.gain, flips.both_wrong, flips.regression, flips.unchanged)
    )


@given(answers)
def test_identical_predictions_have_no_flips(same: str) -> None:
    flips = compare(discrete("old", same), discrete("new", same)).comparison
    assert flips.nfr.value == flips.pfr.value == flips.nfr_mc.value == 0


@given(answers, answers, answers)
def test_what_is_newly_lost_less_what_is_restored_is_the_change_of_nfr(old: str, new: str, candidate: str) -> None:
    comparison = compare(discrete("old", old), discrete("new", new), [discrete("candidate", candidate)])
    (found,) = comparison.candidates
    assert found.delta_nfr.value == pytest.approx((found.newly_lost - found.restored) / comparison.n)
    assert found.restored <= comparison.comparison.regression
    assert found.newly_lost <= found.comparison.regression


def test_exchanged_by_hand() -> None:
    parts = exchanged(np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.0, 0.0, 1.0, 0.0]))
    assert {name: list(part) for name, part in parts.items()} == {"restored": [0, 1, 0, 0], "newly_lost": [0, 0, 1, 0]}


def test_epsilon_is_not_exceeded_by_rounding() -> None:
    flips = compare(continuous("old", [0.8, 0.3]), continuous("new", [0.7, 0.2]), epsilon=0.1).comparison
    assert (flips.regression, flips.unchanged) == (0, 2)  # 0.8 - 0.7 is 0.10000000000000009 in floating point


def test_a_mean_of_one_sample_has_no_interval() -> None:
    flips = compare(continuous("old", [0.5, 0.5]), continuous("new", [0.9, 0.5])).comparison
    assert flips.mean_gain.value == pytest.approx(0.4)
    assert flips.mean_gain.low is None


def test_quadrants_of_shares_are_means_over_pairs() -> None:
    # old right in 1 and in 1/2 of its runs, new in 1/4: of pairs of runs 1/4 both right, 3/4 lost; 1/8, 3/8, 1/8, 3/8
    parts = quadrants(np.array([1.0, 0.5]), np.array([0.25, 0.25]))
    assert {name: list(values) for name, values in parts.items()} == {
        "gain": [0, 1 / 8],
        "regression": [3 / 4, 3 / 8],
        "both_right": [1 / 4, 1 / 8],
        "both_wrong": [0, 3 / 8],
    }


def test_parts_of_scores_by_hand() -> None:
    parts = score_parts(np.array([0.5, 0.5, 0.5]), np.array([0.75, 0.25, 0.5]))
    assert {name: list(values) for name, values in parts.items()} == {
        "gain": [1, 0, 0],
        "regression": [0, 1, 0],
        "unchanged": [0, 0, 1],
    }
    assert list(score_parts(np.array([0.5]), np.array([0.25]), epsilon=0.25)["unchanged"]) == [1]
