"""Results of promptfoo, written by it: what is read agrees with promptfoo's own counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import places
from logs import promptfoo_log, promptfoo_test
from stillright.errors import DataError
from stillright.importers import Selection, read_predictions

LOGS = places.LOGS / "promptfoo"


def metrics(model: str) -> dict[str, Any]:
    """promptfoo's own totals of a provider."""
    prompts = json.loads((LOGS / "models.json").read_text())["results"]["prompts"]
    totals: dict[str, Any] = next(prompt["metrics"] for prompt in prompts if prompt["provider"] == model)
    return totals


@pytest.mark.parametrize(
    ("model", "correct"), [("terse", [True, True, False, True, None]), ("chatty", [True, False, True, True, None])]
)
def test_verdicts(model: str, correct: list[bool | None]) -> None:
    predictions = read_predictions(LOGS / "models.json", Selection(model=model))
    assert predictions.table["id"].to_list() == ["0", "1", "2", "3", "4"]
    assert predictions.table["correct"].to_list() == correct
    totals = metrics(model)
    assert predictions.table["correct"].sum() == totals["testPassCount"] == 3
    assert predictions.table["correct"].null_count() == totals["testErrorCount"] == 1


def test_rows_and_header() -> None:
    predictions = read_predictions(LOGS / "models.json", Selection(model="chatty", columns=("thing", "place")))
    header = predictions.header
    assert (header.name, header.metric, header.kind) == ("chatty", "pass", "discrete")
    assert header.source["promptfoo"] == "0.121.20"
    row = predictions.table.row(1, named=True)
    assert (row["prompt"], row["output"]) == ("What colour is fresh grass?", "I cannot say.")
    assert (row["thing"], row["place"]) == ("fresh grass", "below")


@pytest.mark.parametrize("metric", ["score", "brevity"])
def test_scores(metric: str) -> None:
    predictions = read_predictions(LOGS / "models.json", Selection(model="chatty", metric=metric))
    totals = metrics("chatty")
    assert predictions.kind == "continuous"
    total = totals["score"] if metric == "score" else totals["namedScores"][metric]
    assert predictions.table["score"].sum() == pytest.approx(total)
    assert predictions.table["score"][4] is None


@pytest.mark.parametrize("prompt", ["order", "2"])
def test_prompts_and_repeats(prompt: str) -> None:
    predictions = read_predictions(LOGS / "prompts.json", Selection(prompt=prompt, run=2))
    assert predictions.table["id"].to_list() == ["0", "1"]
    assert predictions.table["prompt"][1] == "Name the colour of fresh grass."


def test_one_result_a_line() -> None:
    lines = read_predictions(LOGS / "models.jsonl").table
    assert lines.equals(read_predictions(LOGS / "models.json", Selection(model="terse")).table[:3])


@pytest.mark.parametrize(
    ("name", "selection", "message"),
    [
        ("models.json", Selection(), "several models, choose one with model=NAME: terse, chatty"),
        ("models.json", Selection(model="x"), "no model 'x'; there is terse, chatty"),
        ("models.json", Selection(model="terse", metric="x"), "no metric 'x'; there is pass, score, brevity"),
        ("models.json", Selection(model="terse", columns=("x",)), "no column 'x'; there is thing, colour, place"),
        ("prompts.json", Selection(), "several prompts, choose one with prompt=NAME: question, order"),
        ("prompts.json", Selection(prompt="order"), "several runs, choose one with run=NAME: 1, 2"),
    ],
)
def test_what_is_not_there(name: str, selection: Selection, message: str) -> None:
    with pytest.raises(DataError, match=name) as caught:
        read_predictions(LOGS / name, selection)
    assert message in str(caught.value)


def results(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"results": {"version": 2, "results": rows}, "config": {}}))
    return path


def test_old_releases_have_no_numbers(tmp_path: Path) -> None:
    row = {"provider": {"id": "p"}, "success": True, "vars": {"b": 1, "a": "x"}, "response": {"output": {"n": 1}}}
    failed = {"provider": {"id": "p"}, "success": False, "vars": {"a": "y"}, "response": {"error": "down"}}
    table = read_predictions(results(tmp_path, row, failed)).table
    assert table["id"].to_list() == ['{"a": "x", "b": 1}', '{"a": "y"}']
    assert table["correct"].to_list() == [True, None]
    assert table["output"].to_list() == ['{"n": 1}', ""]


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    path = results(tmp_path, {"provider": "p", "success": True, "response": {"output": "cut \ud83d"}})
    assert read_predictions(path).table["output"].to_list() == ["cut ?"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"success": "yes"}, "Expected bool, got str - at results.results[0].success"),
        ({"success": True, "response": {"output": ""}, "namedScores": {"m": "x"}}, "test {}: m is 'x', not a number"),
        ({"success": True, "response": {"output": ""}, "namedScores": {"m": 10**400}}, "results.json: "),
    ],
)
def test_malformed_results(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_predictions(results(tmp_path, row), Selection(metric="m"))
    assert message in str(caught.value)


GRADED = {"pass": True, "score": 1.0}
NOT_MET = {"pass": False, "score": 0.0}
NO_GRADE = {**NOT_MET, "assertion": {"type": "llm-rubric", "metric": "tone"}, "metadata": {"graderError": True}}


@pytest.mark.parametrize(
    ("parts", "success", "correct"),
    [
        ([NO_GRADE], False, None),
        ([GRADED, NO_GRADE], False, None),
        ([NOT_MET, NO_GRADE], False, False),
        ([{**NOT_MET, "componentResults": [GRADED, NO_GRADE]}], False, None),
        ([{**NOT_MET, "componentResults": [NOT_MET, NO_GRADE]}], False, False),
        ([GRADED, NO_GRADE], True, True),  # the test's threshold was met without
        ([NOT_MET], False, False),
        (None, False, False),
        ([5, {"componentResults": 7, "metadata": [], "assertion": "x"}], True, True),
    ],
)
def test_a_grader_that_failed_gives_no_verdict(
    tmp_path: Path, parts: list[Any] | None, success: bool, correct: bool | None
) -> None:
    grading = {"pass": success, "componentResults": parts}
    test = promptfoo_test(0, success, "?", gradingResult=grading, namedScores={"tone": 0.0, "brevity": 1.0})
    log = promptfoo_log(tmp_path / "log.json", [test, promptfoo_test(1, True, "!", namedScores={"tone": 1})])
    assert read_predictions(log).table["correct"].to_list() == [correct, True]
    ungraded = "graderError" in str(parts)
    scores = {metric: read_predictions(log, Selection(metric=metric)).table[0].row(0, named=True) for metric in SCORES}
    assert (scores["score"]["score"] is None) == ungraded
    assert (scores["tone"]["correct"] is None) == ungraded
    assert scores["brevity"]["correct"] is True


SCORES = ("score", "tone", "brevity")
