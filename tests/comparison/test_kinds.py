"""Verdicts or scores: what values of 0 and 1 are is settled by all the files together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from samples import write_rows
from stillright.comparison import compare
from stillright.config import Policy
from stillright.config.strict import parse
from stillright.errors import DataError
from stillright.importers import Selection
from stillright.verdict import gate

PARTIAL, WHOLE = [1.0, 0.5, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0]


def inspect(path: Path, values: list[Any]) -> Path:
    scored = [{"id": str(i), "scores": {"grader": {"value": value}}} for i, value in enumerate(values)]
    path.write_text(json.dumps({"eval": {"task": "t", "model": path.stem}, "plan": {}, "samples": scored}))
    return path


def harness(path: Path, values: list[Any]) -> Path:
    return write_rows(path, [{"doc_id": i, "resps": [], "arguments": [], "em": v} for i, v in enumerate(values)])


def promptfoo(path: Path, values: list[Any]) -> Path:
    results = [
        {"testIdx": i, "provider": "p", "success": True, "response": {"output": ""}, "namedScores": {"m": value}}
        for i, value in enumerate(values)
    ]
    path.write_text(json.dumps({"results": {"results": results}, "config": {}}))
    return path


@pytest.mark.parametrize("write", [inspect, harness, promptfoo])
def test_zeros_and_ones_are_scores_beside_other_scores(tmp_path: Path, write: Any) -> None:
    old, new = write(tmp_path / "old.json", PARTIAL), write(tmp_path / "new.json", WHOLE)
    selection = Selection(metric="m") if write is promptfoo else Selection()
    comparison = compare(old, new, selection=selection)
    assert comparison.kind == "continuous"
    assert (comparison.old.score, comparison.new.score) == (0.625, 0.5)
    assert (comparison.comparison.gain, comparison.comparison.regression) == (1, 1)
    assert compare(new, new, selection=selection, allow=["identical"]).kind == "discrete"
    policy = parse(Policy, {"must_pass": ["0", "3"]}, "policy")
    assert gate(old, new, policy, selection=selection).verdict.checks[-1].outcome == "fail"  # of 3 the score is lower
    assert gate(new, old, policy, selection=selection).verdict.outcome == "pass"


@pytest.mark.parametrize("values", [{"kind": "discrete"}, {}])
def test_verdicts_that_a_file_gives_are_no_scores(tmp_path: Path, values: dict[str, str]) -> None:
    rows = [{"id": i, "correct": True} for i in range(4)]
    own = write_rows(tmp_path / "own.jsonl", [{"header": {"name": "own", "metric": "grader", **values}}, *rows])
    with pytest.raises(DataError, match="the files differ in kind"):
        compare(inspect(tmp_path / "old.json", PARTIAL), own)


def test_scores_of_another_metric_change_nothing(tmp_path: Path) -> None:
    old, new = harness(tmp_path / "old.jsonl", PARTIAL), inspect(tmp_path / "new.json", WHOLE)
    with pytest.raises(DataError, match="the files differ in kind"):
        compare(old, new)
