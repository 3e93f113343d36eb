"""Answers of which none is right or scored: a gate on flips could only pass, so it does not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from samples import write_rows
from stillright.cli import main
from stillright.config import Policy
from stillright.records import Header, PredictionSet
from stillright.verdict import Verdict, gate

POLICY = Policy.model_validate({"limits": [{"metric": "nfr", "max": 0.5}]})
RIGHT = ["A"] * 20


def answers(name: str, given: Sequence[str], **more: Any) -> PredictionSet:
    rows = [{"id": str(i), "prediction": answer, "reference": "A", **more} for i, answer in enumerate(given)]
    return PredictionSet.from_rows(Header(name=name), rows)


def scores(name: str, *values: float) -> PredictionSet:
    return PredictionSet.from_rows(Header(name=name), [{"id": str(i), "score": s} for i, s in enumerate(values)])


def outcomes(verdict: Verdict) -> dict[str, str]:
    return {check.name: check.outcome for check in verdict.checks}


def test_old_without_a_right_answer_cannot_tell() -> None:
    verdict = gate(answers("old", ["B"] * 7 + ["(a)"] + ["B"] * 12), answers("new", RIGHT), POLICY).verdict
    assert (verdict.outcome, verdict.exit_code) == ("cannot tell", 3)
    assert outcomes(verdict)["old has right answers"] == "cannot tell"
    assert verdict.checks[1].reason == (
        "no answer of old is right, of 20, so none can be lost; their formats differ: sample '7' answers '(a)', and "
        "its reference is 'A'"
    )


def test_new_without_a_right_answer_fails() -> None:
    policy = Policy.model_validate({"must_pass": ["0"], "limits": [{"metric": "pfr", "max": 0.5}]})
    verdict = gate(answers("old", RIGHT), answers("new", ["Z"] * 20), policy).verdict
    assert outcomes(verdict)["new has right answers"] == "fail"
    assert "so the update keeps nothing; their formats may differ: sample '0' answers 'Z'" in verdict.checks[1].reason
    assert verdict.exit_code == 1


def test_one_right_answer_is_judged() -> None:
    verdict = gate(answers("old", ["A", *["B"] * 19]), answers("new", ["A", *["B"] * 19]), POLICY).verdict
    assert outcomes(verdict) == {"unscored <= 0": "pass", "nfr, upper end <= 0.5": "pass"}


def test_scores_that_are_all_zero() -> None:
    policy = Policy.model_validate({"limits": [{"metric": "delta_score", "min": -2, "bound": "value"}]})
    assert gate(scores("old", 0, 0, 0), scores("new", 0.5, 0.1, 0), policy).verdict.outcome == "cannot tell"
    assert gate(scores("old", 0.5, 0.1, 0), scores("new", 0, 0, 0), policy).verdict.outcome == "fail"
    assert gate(scores("old", -0.5, 0.5), scores("new", 0.5, -0.5), policy).verdict.outcome == "pass"


@pytest.mark.parametrize("unscored", ["old", "new"])
@pytest.mark.parametrize("on_missing", ["error", "wrong"])
def test_a_file_that_scores_nothing_cannot_tell(unscored: str, on_missing: Any) -> None:
    sets = {name: answers(name, RIGHT) for name in ("old", "new")}
    rows = [{"id": str(i), "output": "It is A.", "reference": "A"} for i in range(20)]
    sets[unscored] = PredictionSet.from_rows(Header(name=unscored, kind="discrete"), rows)
    verdict, comparison = gate(sets["old"], sets["new"], POLICY, on_missing=on_missing)
    assert (verdict.exit_code, comparison) == (3, None)
    assert "score their outputs" in verdict.checks[0].reason
    assert "'It is A.'" in verdict.checks[0].reason


def test_reports_of_what_cannot_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(Path("old.jsonl"), [{"id": i, "prediction": "A", "reference": "A"} for i in range(3)])
    write_rows(Path("new.jsonl"), [{"id": i, "output": "A"} for i in range(3)])
    Path("policy.yaml").write_text("limits: [{metric: nfr, max: 0.5}]\n")
    outputs = ["--json", "a.json", "--markdown", "a.md", "--html", "a.html", "--junit", "a.xml"]
    assert main(["gate", "old.jsonl", "new.jsonl", "--policy", "policy.yaml", *outputs]) == 3
    assert "gate: cannot tell" in capsys.readouterr().out
    assert json.loads(Path("a.json").read_text())["outcome"] == "cannot tell"
    assert Path("a.md").read_text().startswith("# gate: cannot tell")
    assert "<h1>gate: cannot tell" in Path("a.html").read_text()
    assert 'errors="1"' in Path("a.xml").read_text()
    assert main(["compare", "old.jsonl", "new.jsonl"]) == 2  # there is nothing to compare
