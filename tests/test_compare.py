"""Every metric on tables small enough to count by hand, and the invariants that must hold on any table."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillright.compare import Flips, compare_predictions
from stillright.errors import DataError
from stillright.records import Header, PredictionSet, Row
from stillright.stats import wilson


def discrete(name: str, answers: str, references: str = "AAAAAAAA") -> PredictionSet:
    """One row a letter: the answer and the reference."""
    rows = [
        Row(id=str(i), prediction=answer, reference=reference)
        for i, (answer, reference) in enumerate(zip(answers, references, strict=False))
    ]
    return PredictionSet(header=Header(name=name, task="letters", metric="acc"), rows=tuple(rows))


def continuous(name: str, scores: list[float]) -> PredictionSet:
    rows = tuple(Row(id=str(i), output="text", score=score) for i, score in enumerate(scores))
    return PredictionSet(header=Header(name=name, kind="continuous", metric="rouge1"), rows=rows)


# right in every row: A. old has 5 of 8 right, new 5, of which 3 in common
OLD, NEW, COMPAT = "AAAAABBC", "AAABCAAB", "AAAACAAC"


def test_quadrants_by_hand() -> None:
    flips = compare_predictions(discrete("old", OLD), discrete("new", NEW)).comparison
    assert (flips.both_right, flips.gain, flips.both_wrong, flips.regression) == (3, 2, 1, 2)
    assert flips.nfr == wilson(2, 8)
    assert flips.pfr == wilson(2, 8)
    assert flips.nfr_mc == wilson(3, 8)  # the last row: C became B, both wrong
    assert flips.nfr_of_old_right == wilson(2, 5)
    assert flips.nfi == wilson(2, 3)
    assert flips.btc == wilson(3, 5)
    assert flips.mcnemar_p == 1.0
    assert flips.mean_gain.value is None


def test_candidate_by_hand() -> None:
    comparison = compare_predictions(discrete("old", OLD), discrete("new", NEW), [discrete("compat", COMPAT)])
    candidate = comparison.candidates[0]
    assert (comparison.old.score, comparison.new.score, candidate.score) == (5 / 8, 5 / 8, 6 / 8)
    assert candidate.comparison.regression == 1
    assert candidate.comparison.nfr_mc == wilson(1, 8)  # C stayed C
    assert candidate.delta_score.value == pytest.approx(1 / 8)
    assert candidate.delta_nfr.value == pytest.approx(-1 / 8)
    assert candidate.delta_nfr_relative.value == pytest.approx(-1 / 2)
    assert candidate.delta_nfr_p == 1.0  # one sample differs


def test_several_right_answers() -> None:
    def rows(*answers: str) -> tuple[Row, ...]:
        return tuple(Row(id=str(i), prediction=a, reference=["A", "B"]) for i, a in enumerate(answers))

    old = PredictionSet(header=Header(name="old"), rows=rows("A", "A", "C"))
    new = PredictionSet(header=Header(name="new"), rows=rows("B", "C", "B"))
    flips = compare_predictions(old, new).comparison
    assert (flips.both_right, flips.gain, flips.regression) == (1, 1, 1)
    assert flips.nfr_mc == wilson(2, 3)  # right to another right one, and right to wrong; wrong to right is a gain


def test_continuous_by_hand() -> None:
    old = continuous("old", [0.5, 0.5, 0.5, 0.5])
    new = continuous("new", [0.75, 1.0, 0.5, 0.25])
    flips = compare_predictions(old, new).comparison
    assert (flips.gain, flips.unchanged, flips.regression) == (2, 1, 1)
    assert flips.nfr == wilson(1, 4)
    assert flips.mean_gain.value == pytest.approx((0.25 + 0.5) / 2)
    assert flips.mean_regression.value == pytest.approx(0.25)
    assert flips.nfr_mc.value is None
    assert flips.mcnemar_p is None


def test_undefined_denominators_are_null() -> None:
    flips = compare_predictions(discrete("old", "BB"), discrete("new", "AA")).comparison
    assert flips.nfr_of_old_right.value is None  # old has nothing right
    assert flips.nfi.value is None  # new has nothing wrong
    same = compare_predictions(continuous("old", [0.5]), continuous("new", [0.5])).comparison
    assert same.mean_gain.value is None
    assert same.mean_regression.value is None


answers = st.text("ABC", min_size=8, max_size=8)


@given(answers, answers)
def test_invariants(old: str, new: str) -> None:
    forward = compare_predictions(discrete("old", old), discrete("new", new))
    backward = compare_predictions(discrete("new", new), discrete("old", old))
    flips = forward.comparison
    assert (flips.gain, flips.regression) == (backward.comparison.regression, backward.comparison.gain)
    assert _total(flips) == forward.n == 8
    assert flips.nfr.value is not None
    assert flips.nfr_mc.value is not None
    assert flips.nfr.value <= flips.nfr_mc.value <= 1 - forward.new.score + 1e-12


def _total(flips: Flips) -> int:
    return sum(
        part or 0 for part in (flips.both_right, flips.gain, flips.both_wrong, flips.regression, flips.unchanged)
    )


@given(answers)
def test_identical_predictions_have_no_flips(same: str) -> None:
    flips = compare_predictions(discrete("old", same), discrete("new", same)).comparison
    assert flips.nfr.value == flips.pfr.value == flips.nfr_mc.value == 0


def test_json_follows_the_contract() -> None:
    comparison = compare_predictions(discrete("old", OLD), discrete("new", NEW), [discrete("compat", COMPAT)])
    value: dict[str, Any] = json.loads(comparison.to_json())
    assert {"task", "metric", "kind", "n", "unscored", "old", "new", "comparison", "candidates"} <= value.keys()
    assert {"name", "score"} <= value["old"].keys()
    assert isinstance(value["old"]["score"], float)
    metrics = {"nfr", "pfr", "nfr_mc", "nfr_of_old_right", "nfi", "btc"}
    for metric in metrics:
        assert value["comparison"][metric].keys() == {"value", "low", "high"}
    candidate = value["candidates"][0]
    assert {"name", "score", "comparison", "delta_score", "delta_nfr", "delta_nfr_relative"} <= candidate.keys()
    assert candidate["delta_nfr"].keys() == {"value", "low", "high"}


def test_unscored_samples_are_counted() -> None:
    rows = (Row(id="1", prediction="A", reference="A"), Row(id="2", output="?"))
    old = PredictionSet(header=Header(name="old", kind="discrete"), rows=rows)
    comparison = compare_predictions(old, old.model_copy(update={"header": Header(name="new")}))
    assert (comparison.n, comparison.unscored) == (1, 1)


def test_missing_ids_are_refused() -> None:
    with pytest.raises(DataError, match=r"new: 2 ids of old are missing \(such as '6', '7'\)"):
        compare_predictions(discrete("old", OLD), discrete("new", NEW[:6]))


def test_another_reference_is_refused() -> None:
    with pytest.raises(DataError, match="'3'.*differ in its reference"):
        compare_predictions(discrete("old", OLD), discrete("new", NEW, "AAABAAAA"))


def test_another_task_is_refused() -> None:
    other = discrete("new", NEW).model_copy(update={"header": Header(name="new", task="digits")})
    with pytest.raises(DataError, match="differ in task"):
        compare_predictions(discrete("old", OLD), other)
