"""The gate: every outcome with its exit code, limits on points and bounds, slices, ids that must pass, reports."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from samples import write_rows
from stillright.cli import main
from stillright.config import Policy, load_policy
from stillright.config.strict import parse
from stillright.errors import ConfigError
from stillright.records import Header, PredictionSet
from stillright.verdict import Gated, gate


def results(name: str, right: str, **more: Any) -> PredictionSet:
    """One row a letter: r right, w wrong, - unscored."""
    rows = [
        {"id": str(i), "output": "text", "correct": {"r": True, "w": False, "-": None}[letter], "part": "ab"[i % 2]}
        for i, letter in enumerate(right)
    ]
    return PredictionSet.from_rows(Header(name=name, kind="discrete", **more), rows)


# 100 samples: old has 80 right, new loses the first 3 of them and gains 10
OLD = results("old", "r" * 80 + "w" * 20)
NEW = results("new", "w" * 3 + "r" * 87 + "w" * 10)


def judged(old: PredictionSet = OLD, new: PredictionSet = NEW, **policy: Any) -> Gated:
    return gate(old, new, parse(Policy, policy, "policy.yaml"))


def outcome(*limits: dict[str, Any], new: PredictionSet = NEW, **policy: Any) -> str:
    return judged(new=new, limits=limits, **policy).verdict.outcome


def test_a_limit_is_held_against_the_worse_end_of_the_interval() -> None:
    # NFR = 3 / 100: Wilson's upper bound is 0.0845; three events or more are 5 % likely at a rate of 0.0082
    assert outcome({"metric": "nfr", "max": 0.09}) == "pass"
    assert outcome({"metric": "nfr", "max": 0.05}) == "fail"
    assert outcome({"metric": "nfr", "max": 0.03, "bound": "value"}) == "pass"
    assert outcome({"metric": "nfr", "max": 0.02, "bound": "low"}) == "pass"
    assert outcome({"metric": "nfr", "max": 0.0083, "bound": "low"}) == "pass"
    assert outcome({"metric": "nfr", "max": 0.0081, "bound": "low"}) == "fail"


def test_a_floor_is_held_against_the_lower_end() -> None:
    # of old's 80 right answers 77 are kept: 0.9625, interval from 0.8955
    assert outcome({"metric": "btc", "min": 0.89}) == "pass"
    assert outcome({"metric": "btc", "min": 0.90}) == "fail"
    assert outcome({"metric": "delta_score", "min": -0.01}) == "pass"
    assert outcome({"metric": "score", "min": 0.99}) == "fail"


def test_too_few_samples_cannot_tell() -> None:
    limit = {"metric": "nfr", "max": 0.0001}
    assert outcome(limit) == "fail"
    assert outcome(limit, min_n=101) == "cannot tell"
    assert outcome({**limit, "min_n": 100}, min_n=101) == "fail"  # the limit's own stands above


def test_unscored_samples_cannot_tell() -> None:
    new = results("new", "w" * 3 + "r" * 87 + "w" * 9 + "-")
    policy: dict[str, Any] = {"limits": [{"metric": "nfr", "max": 0.5}]}
    verdict = judged(new=new, **policy).verdict
    assert (verdict.outcome, verdict.exit_code) == ("cannot tell", 3)
    assert "1 of 100 samples are unscored" in verdict.checks[0].reason
    assert judged(new=new, **policy, max_unscored=0.01).verdict.outcome == "pass"


def test_an_undefined_metric_cannot_tell() -> None:
    assert outcome({"metric": "nfi", "max": 0.99}, new=results("new", "r" * 100)) == "cannot tell"  # new has no errors
    with pytest.raises(ConfigError, match="mean_gain is for answers that are scores; these are right or wrong"):
        outcome({"metric": "mean_gain", "min": 0})
    verdict = judged(limits=[{"metric": "nfr_above_noise", "max": 0.1}]).verdict
    assert verdict.checks[1].reason == "nfr_above_noise is undefined here; it needs reruns of old or new"


def test_the_noise_floor_is_taken_off() -> None:
    policy = parse(Policy, {"limits": [{"metric": "nfr_above_noise", "max": 0.005, "bound": "value"}]}, "policy")
    again = results("old", "w" * 3 + "r" * 77 + "w" * 20)  # old loses the same three against itself, one way
    # means over pairs of runs: NFR 3/100 against one run of old, 0 against the other; noise 3/100 in one order of two
    assert gate(OLD, NEW, policy, old_runs=[again]).verdict.outcome == "pass"


def test_a_handful_of_samples_passes_no_tight_limit_also_with_reruns() -> None:
    old = results("old", "rrrww")
    limits = [
        {"metric": "nfr", "max": 0.001},
        {"metric": "delta_score", "min": -0.001},
        {"metric": "btc", "min": 0.999},
        {"metric": "nfr_of_chance", "max": 0.1},
        {"metric": "nfr_above_noise", "max": 0.001},
    ]
    policy = parse(Policy, {"limits": limits}, "policy")
    for reruns in ([], [old]):
        verdict = gate(old, old, policy, old_runs=reruns, new_runs=reruns).verdict
        checks = verdict.checks[1:]
        outcomes = {check.metric: check.outcome for check in checks}
        assert outcomes.pop("nfr_above_noise") == "cannot tell"  # undefined, or of too few samples
        assert outcomes.pop("delta_score") == ("cannot tell" if reruns else "fail")
        assert set(outcomes.values()) == {"fail"}


def test_slices() -> None:
    # of the lost samples 0, 1, 2 two are in part a (50 samples), one in part b
    verdict = judged(limits=[{"metric": "nfr", "max": 0.03, "bound": "value", "slice": "part"}]).verdict
    assert [(check.name, check.outcome) for check in verdict.checks[1:]] == [
        ("nfr, value <= 0.03 where part = a", "fail"),
        ("nfr, value <= 0.03 where part = b", "pass"),
    ]
    assert outcome({"metric": "nfr", "max": 0.03, "bound": "value", "slice": "part=b"}) == "pass"
    with pytest.raises(ConfigError, match="no sample is in the slice 'part=c'; there are: part=a, part=b"):
        outcome({"metric": "nfr", "max": 0.03, "slice": "part=c"})


def test_ids_that_must_pass() -> None:
    assert judged(must_pass=["3", 85]).verdict.outcome == "pass"
    lost = judged(must_pass=["3", "1"]).verdict
    assert (lost.exit_code, lost.checks[1].reason) == (1, "1 of 2 do not pass: '1'")
    with pytest.raises(ConfigError, match="must_pass names ids that no file has: 100"):
        judged(must_pass=["100"])
    unscored = judged(new=results("new", "r" * 99 + "-"), must_pass=["99"], max_unscored=1)
    assert unscored.verdict.outcome == "cannot tell"


def test_ids_that_must_not_get_worse() -> None:
    def scores(name: str, *values: float) -> PredictionSet:
        return PredictionSet.from_rows(Header(name=name), [{"id": i, "score": s} for i, s in enumerate(values)])

    old, new = scores("old", 0.5, 0.5), scores("new", 0.5, 0.4)
    assert judged(old, new, must_pass=["0"]).verdict.outcome == "pass"
    assert judged(old, new, must_pass=["1"]).verdict.outcome == "fail"


def test_what_counts_as_worse_is_what_counts_as_a_regression() -> None:
    old, new = (
        PredictionSet.from_rows(Header(name=name), [{"id": i, "score": s} for i, s in enumerate(values)])
        for name, values in (("old", (0.8, 0.3)), ("new", (0.7, 0.1)))
    )
    policy = parse(Policy, {"must_pass": ["0"]}, "policy.yaml")
    verdict, comparison = gate(old, new, policy, epsilon=0.1)  # in floating point 0.7 is below 0.8 - 0.1
    assert comparison is not None
    assert (verdict.outcome, comparison.comparison.regression) == ("pass", 1)
    assert gate(old, new, parse(Policy, {"must_pass": ["1"]}, "policy.yaml"), epsilon=0.1).verdict.outcome == "fail"


def test_one_failed_check_outweighs_one_that_cannot_tell() -> None:
    unknown = {"metric": "nfr_above_noise", "max": 0.1}
    assert outcome(unknown) == "cannot tell"
    assert outcome({"metric": "nfr", "max": 0.0001}, unknown) == "fail"


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({}, "the policy has no rules; add limits, measures or must_pass"),
        ({"limits": [{"metric": "nfr"}]}, "limits.0: the limit on nfr needs either max or min"),
        ({"limits": [{"metric": "NFRR", "max": 1}]}, "did you mean 'nfr'? (given: 'NFRR')"),
        ({"limits": [{"metric": "nfr", "maks": 1}]}, "unknown key 'limits.0.maks'; did you mean 'max'?"),
        (
            {"limits": [{"metric": "nfr", "max": 3}]},
            "nfr lies between 0 and 1, so max 3 is always kept; for 3 % write 0.03",
        ),
        (
            {"limits": [{"metric": "nfr", "max": 1}]},
            "nfr lies between 0 and 1, so max 1 is always kept; for 1 % write 0.01",
        ),
        ({"limits": [{"metric": "nfr", "max": -1}]}, "nfr lies between 0 and 1, so max -1 is never kept"),
        ({"limits": [{"metric": "btc", "min": 0}]}, "btc lies between 0 and 1, so min 0 is always kept"),
        ({"limits": [{"metric": "btc", "min": 2}]}, "so min 2 is never kept; for 2 % write 0.02"),
        (
            {"limits": [{"metric": "nfr", "max": 0.0}]},
            "nfr cannot keep max 0: its interval reaches above; compare the point",
        ),
        ({"limits": [{"metric": "nfr", "max": 0, "bound": "high"}]}, "compare the point, bound: value"),
        ({"limits": [{"metric": "btc", "min": 1}]}, "btc cannot keep min 1: its interval reaches below; compare the"),
        ({"limits": [{"metric": "nfr", "max": True}]}, "limits.0.max: should be a number (given: True)"),
        ({"limits": [{"metric": "nfr", "max": "0.1"}]}, "limits.0.max: should be a number (given: '0.1')"),
        ({"limits": [{"metric": "score", "min": math.nan}]}, "limits.0.min: should be a finite number"),
        ({"limits": [{"metric": "nfr", "max": 0.1, "slice": "=x"}]}, "the slice does not name a column"),
        ({"limits": {"metric": "nfr", "max": 0.1}}, "limits: should be a list"),
        ({"limits": ["nfr"]}, "limits.0: should be a mapping of keys to values (given: 'nfr')"),
        ({"must_pass": ["1"], "min_n": True}, "min_n: should be a whole number (given: True)"),
        ({"limit": []}, "unknown key 'limit'; did you mean 'limits'?"),
    ],
)
def test_mistakes_in_a_policy_are_named(policy: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Policy, policy, "policy.yaml")
    assert message in str(caught.value)


def test_limits_that_can_be_kept_and_broken_are_taken() -> None:
    for limit in ({"metric": "nfr", "max": 0, "bound": "value"}, {"metric": "btc", "min": 1, "bound": "high"}):
        assert parse(Policy, {"limits": [limit]}, "policy.yaml")
    for metric, threshold in (("nfr", 0.99), ("nfr_above_noise", -0.01), ("delta_score", 2), ("score", 40)):
        assert parse(Policy, {"limits": [{"metric": metric, "max": threshold}]}, "policy.yaml")


@pytest.mark.parametrize(
    "limit",
    [{"metric": "delta_score", "min": -1}, {"metric": "score", "min": 0}, {"metric": "score", "max": 40}],
)
def test_a_limit_that_no_answers_can_break_is_refused(limit: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{limit['metric']} lies between -?[01] and 1, so m.* is always kept"):
        outcome(limit)


def test_a_limit_that_no_answers_keep_is_refused() -> None:
    with pytest.raises(ConfigError, match="policy: score cannot keep min 1"):
        outcome({"metric": "score", "min": 1})
    assert outcome({"metric": "score", "min": 1, "bound": "value"}, new=results("new", "r" * 100)) == "pass"


def test_two_equal_scores_prove_little() -> None:
    old, new = (
        PredictionSet.from_rows(Header(name=name), [{"id": i, "score": score} for i in "ab"])
        for name, score in (("old", 0.9), ("new", 0.85))
    )
    gated = judged(old, new, limits=[{"metric": "score", "min": 0.85}, {"metric": "mean_regression", "max": 0.051}])
    assert [check.outcome for check in gated.verdict.checks] == ["pass", "cannot tell", "cannot tell"]
    assert gated.verdict.exit_code == 3
    assert gated.comparison is not None
    score = gated.comparison.new.score_interval
    assert score.value == pytest.approx(0.85)
    assert score.too_few


def test_a_key_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("limits: [{metric: nfr, max: 0.01}]\nlimits: [{metric: nfr, max: 0.9}]\n")
    with pytest.raises(ConfigError, match=r"policy.yaml: not YAML: the key 'limits' occurs twice in .* line 1"):
        load_policy(path)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    rows = [{"id": i, "prediction": "A", "reference": "A"} for i in range(50)]
    old = write_rows(tmp_path / "old.jsonl", rows)
    new = write_rows(tmp_path / "new.jsonl", [{**rows[0], "prediction": "<b>\u0000"}, *rows[1:]])
    return [str(old), str(new)]


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ("limits: [{metric: nfr, max: 0.2}]", 0),
        ("limits: [{metric: nfr, max: 0.01}]", 1),
        ("limits: [{metric: nfr, max: 0.2, slice: nowhere}]", 2),
        ("limits: [{metric: nfr, max: 0.2}]\nmin_n: 60", 3),
    ],
)
def test_exit_codes(files: list[str], tmp_path: Path, policy: str, code: int) -> None:
    (tmp_path / "policy.yaml").write_text(policy)
    assert main(["gate", *files, "--policy", str(tmp_path / "policy.yaml")]) == code


def test_reports(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.yaml").write_text("limits: [{metric: nfr, max: 0.01}]\nmust_pass: [1]")
    paths = {name: tmp_path / "made" / f"gate.{name}" for name in ("json", "junit", "markdown")}
    options = [text for name, path in paths.items() for text in (f"--{name}", str(path))]
    assert main(["gate", *files, "--policy", str(tmp_path / "policy.yaml"), *options]) == 1
    assert "gate: fail (2 pass, 1 fail)" in capsys.readouterr().out
    written = json.loads(paths["json"].read_text())
    assert written["outcome"] == "fail"
    limit = written["checks"][1]
    assert (limit["metric"], limit["n"], limit["estimate"]["value"]) == ("nfr", 50, 0.02)
    assert limit["held"] == limit["estimate"]["high"]
    suite = ElementTree.parse(paths["junit"]).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "0")
    summary = paths["markdown"].read_text()
    assert summary.startswith("# gate: fail")
    assert "&lt;b&gt;" in summary
    assert "<b>" not in summary


def test_bad_input_is_one_error_in_junit(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy, report = tmp_path / "policy.yaml", tmp_path / "gate.xml"
    policy.write_text("limits: [{metric: nfr, max: 3}]")
    assert main(["gate", *files, "--policy", str(policy), "--junit", str(report)]) == 2
    suite = ElementTree.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "0", "1")
    error = suite.find("testcase/error")
    assert error is not None
    assert "max 3 is always kept" in error.attrib["message"]
    assert "max 3 is always kept" in capsys.readouterr().err
