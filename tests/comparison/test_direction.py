"""Metrics of which lower is better: gains are scores that fell, and limits and sentences go the right way round."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from logs import harness_log, harness_results, inspect_log, promptfoo_log, promptfoo_test
from stillright.comparison import compare
from stillright.config import Policy
from stillright.config.strict import parse
from stillright.directions import lower_by_name
from stillright.errors import ConfigError, DataError
from stillright.importers import Selection, read_predictions, write_predictions
from stillright.records import Header, PredictionSet
from stillright.report.pages import comparison_page
from stillright.report.words import note, sentences
from stillright.verdict import gate

OLD, NEW = [0.1, 0.5, 0.4, 0.2], [0.4, 0.1, 0.4, 0.1]  # errors: one rises by 0.3, two fall by 0.4 and 0.1


def errors(name: str, values: list[float], lower: bool | None = True) -> PredictionSet:
    header = Header(name=name, metric="distance", kind="continuous", lower_is_better=lower)
    return PredictionSet.from_rows(header, [{"id": i, "score": v, "output": "x"} for i, v in enumerate(values)])


def test_gains_and_regressions_the_right_way_round() -> None:
    comparison = compare(errors("old", OLD), errors("new", NEW), [errors("compat", OLD)])
    flips = comparison.comparison
    assert (flips.regression, flips.gain, flips.unchanged) == (1, 2, 1)
    assert flips.mean_regression.value == pytest.approx(0.3)
    assert flips.mean_gain.value == pytest.approx(0.25)
    assert flips.delta_score.value == pytest.approx(-0.05)
    assert [comparison.old.score, comparison.new.score] == pytest.approx([0.3, 0.25])
    assert {each.id: each.drop for each in comparison.worst} == pytest.approx({"0": 0.3})
    assert (comparison.candidates[0].restored, comparison.candidates[0].newly_lost) == (1, 0)
    assert comparison.movement is not None
    assert set(comparison.movement.parts) == {"gain", "unchanged", "regression"}


def test_an_error_with_its_sign_changed_is_the_same_comparison() -> None:
    lower = compare(errors("old", OLD), errors("new", NEW))
    higher = compare(errors("old", [-value for value in OLD], False), errors("new", [-value for value in NEW], False))
    for name in ("nfr", "pfr", "mean_gain", "mean_regression"):
        assert getattr(lower.comparison, name) == getattr(higher.comparison, name)
    assert lower.comparison.delta_score.value == pytest.approx(-(higher.comparison.delta_score.value or 0))


def test_reports_say_which_is_better() -> None:
    worse, better = errors("worse", [0.9] * 40), errors("better", [0.1] * 40)
    assert "better is better than worse" in sentences(compare(worse, better))[0]
    assert "worse is worse than better" in sentences(compare(better, worse))[0]
    assert "Lower distance is better." in note(compare(worse, better))
    lost = compare(better, worse)
    assert f"{lost.worst[0].id} (score +80.00 points)" in str(comparison_page(lost).sections)
    unknown = compare(errors("a", OLD, None), errors("b", NEW, None))
    assert "Nothing says whether higher distance is better" in note(unknown)
    assert json.loads(unknown.to_json())["lower_is_better"] is None


def test_files_that_disagree_are_refused() -> None:
    with pytest.raises(DataError, match=r"differ in whether lower is better \(old: True, new: False\)"):
        compare(errors("old", OLD), errors("new", NEW, False))


@pytest.mark.parametrize(
    ("limit", "outcome"),
    [
        ({"metric": "score", "max": 0.26, "bound": "value"}, "pass"),
        ({"metric": "score", "max": 0.24, "bound": "value"}, "fail"),
        ({"metric": "delta_score", "max": -0.04, "bound": "value"}, "pass"),
        ({"metric": "nfr", "max": 0.25, "bound": "value"}, "pass"),
        ({"metric": "mean_regression", "max": 0.29, "bound": "value"}, "fail"),
    ],
)
def test_limits(limit: dict[str, Any], outcome: str) -> None:
    policy = parse(Policy, {"limits": [limit]}, "policy")
    assert gate(errors("old", OLD), errors("new", NEW), policy).verdict.outcome == outcome


@pytest.mark.parametrize("metric", ["score", "delta_score"])
def test_a_limit_that_worse_answers_keep_is_refused(metric: str) -> None:
    policy = parse(Policy, {"limits": [{"metric": metric, "min": -0.1}]}, "policy")
    with pytest.raises(ConfigError, match=f"lower distance is better, so {metric} min -0.1 is kept by worse answers"):
        gate(errors("old", OLD), errors("new", NEW), policy)


def test_must_pass_is_kept_where_the_error_does_not_rise() -> None:
    checks = [
        gate(errors("old", OLD), errors("new", NEW), parse(Policy, {"must_pass": ids}, "policy")).verdict.outcome
        for ids in (["1", "2", "3"], ["0"])
    ]
    assert checks == ["pass", "fail"]


def test_samples_alone_of_a_known_metric(tmp_path: Path) -> None:
    old = harness_log(tmp_path / "old", "pairs", [1.0, 2.0], metric="likelihood_diff")
    new = harness_log(tmp_path / "new", "pairs", [0.5, 3.0], metric="likelihood_diff")
    comparison = compare(old, new)
    assert (comparison.lower_is_better, comparison.comparison.gain, comparison.comparison.regression) == (True, 1, 1)
    assert comparison.worst[0].id == "1"


def test_zeros_and_ones_of_which_lower_is_better_are_scores(tmp_path: Path) -> None:
    log = harness_log(tmp_path, "pairs", [1.0, 0.0, 1.0], metric="pct_stereotype")
    comparison = compare(log, log, allow=["identical"])
    assert comparison.kind == "continuous"
    assert comparison.old.score == pytest.approx(2 / 3)


def test_samples_alone_of_an_unknown_metric_are_warned_of(tmp_path: Path) -> None:
    log = harness_log(tmp_path, "pairs", [1.5, 2.0], metric="oddity")
    assert compare(log, log, allow=["identical"]).lower_is_better is None
    assert compare(log, log, allow=["identical"], selection=Selection(lower_is_better=True)).lower_is_better is True
    harness_results(tmp_path, ["pairs"], higher_is_better={"pairs": {"oddity": True}})
    assert compare(log, log, allow=["identical"]).lower_is_better is False


def test_what_contradicts_is_refused(tmp_path: Path) -> None:
    log = harness_log(tmp_path, "t", [1.0, 0.0])
    with pytest.raises(DataError, match="higher exact_match is better, as its name says"):
        read_predictions(log, Selection(lower_is_better=True))
    suite = promptfoo_log(tmp_path / "p.json", [promptfoo_test(0, True, "?", namedScores={"toxicity": 0.2})])
    with pytest.raises(DataError, match="higher pass is better"):
        read_predictions(suite, Selection(lower_is_better=True))
    assert read_predictions(suite, Selection(metric="toxicity")).header.lower_is_better is False
    assert read_predictions(suite, Selection(metric="toxicity", lower_is_better=True)).header.lower_is_better is True


def test_answers_that_are_right_or_wrong_have_no_direction() -> None:
    rows = [{"id": 1, "correct": True}]
    results = PredictionSet.from_rows(Header(name="x", lower_is_better=True), rows)
    with pytest.raises(DataError, match="lower_is_better is for scores, but these answers are right or wrong"):
        compare(results, results, allow=["identical"])


def test_inspect_grades_are_known_and_numbers_are_not(tmp_path: Path) -> None:
    def lower(*values: Any, **selection: Any) -> bool | None:
        samples = [{"id": i, "target": "t", "scores": {"m": {"value": v}}} for i, v in enumerate(values)]
        return read_predictions(
            inspect_log(tmp_path / "x.json", samples), Selection(**selection)
        ).header.lower_is_better

    assert [lower("C", "I"), lower(1.5, 2.5), lower(1.5, 2.5, lower_is_better=True)] == [False, None, True]


def test_tables_and_own_files(tmp_path: Path) -> None:
    csv = tmp_path / "a.csv"
    csv.write_text("id,score\n1,0.5\n")
    assert read_predictions(csv).header.lower_is_better is False
    assert read_predictions(csv, Selection(metric="wer")).header.lower_is_better is True
    assert read_predictions(csv, Selection(lower_is_better=True)).header.lower_is_better is True
    write_predictions(errors("old", OLD), tmp_path / "old.jsonl")
    assert read_predictions(tmp_path / "old.jsonl").header.lower_is_better is True
    own = tmp_path / "own.jsonl"
    own.write_text('{"header": {"metric": "perplexity"}}\n{"id": 1, "score": 12.5}\n')
    assert read_predictions(own).header.lower_is_better is True


@pytest.mark.parametrize(
    ("metric", "lower"),
    [
        ("word_perplexity", True),
        ("wer", True),
        ("brier_score", True),
        ("judge/mae", True),
        ("bits_per_byte", True),
        ("acc_norm", False),
        ("rougeL", False),
        ("exact_match,none", False),
        ("quality", None),
        ("answer", None),
    ],
)
def test_names(metric: str, lower: bool | None) -> None:
    assert lower_by_name(metric) is lower
