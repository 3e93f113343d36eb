"""Logs of further tools, written by the tools themselves: what is right, what is unscored, what is said of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import places
from stillright.comparison import compare
from stillright.errors import DataError
from stillright.importers import Selection, read_predictions
from stillright.records import PredictionSet

LOGS = places.LOGS
CHOICE = "every_eval_ever/choice_samples.jsonl"
GSM8K = "every_eval_ever/gsm8k_samples.jsonl"
REVIEWS = "evalscope/reviews/tiny"
DETAILS = "lighteval/details/harbour/tiny/2026-11-30T10-00-00.000001"
COLOURS = f"{DETAILS}/details_colours_2026-11-30T10-00-00.000001.parquet"
SUMS = f"{DETAILS}/details_sums_2026-11-30T10-00-00.000001.parquet"
CASES = "deepeval/test_run_20261130_100000.json"
HELM = "helm/colours_subject=maps,model=harbour_tiny"
EVENTS = "openai_evals/events.jsonl"
ITEMS = "openai_evals/output_items.json"
SOLUTIONS = "evalplus/tiny_eval_results.json"
REPORT = "swebench/harbour__tiny.first.json"


def read(log: str, **chosen: Any) -> PredictionSet:
    return read_predictions(LOGS / log, Selection(**chosen))


def verdicts(log: str, **chosen: Any) -> dict[str, bool | None]:
    found = read(log, **chosen)
    assert found.kind == "discrete"
    return dict(found.table.select("id", "correct").iter_rows())


@pytest.mark.parametrize(
    ("log", "chosen", "expected"),
    [
        # a failed judge (transport_error) has no value; a fallback counts
        (f"{REVIEWS}/sums_main.jsonl", {}, {"0": True, "1": False, "2": True, "3": None}),
        (f"{REVIEWS}/sums_twice.jsonl", {"run": 1}, {"0": True, "1": False}),
        (f"{REVIEWS}/sums_twice.jsonl", {"run": 2}, {"0": False, "1": False}),
        (COLOURS, {"metric": "acc"}, {"0": True, "1": False, "2": True}),
        (COLOURS, {"metric": "acc_norm"}, {"0": False, "1": True, "2": False}),
        (SUMS, {}, {"0": True, "1": False, "2": None}),  # NaN
        # 3: a grader failed, and no other was unmet; 4: another was unmet
        (CASES, {}, {"0": True, "1": False, "2": False, "3": None, "4": False}),
        (CASES, {"metric": "Exact Match"}, {"0": True, "1": False, "2": True, "3": True, "4": False}),
        # id3: the request failed; id4: NaN, which HELM leaves out; perturbed instances are left out
        (HELM, {"metric": "exact_match"}, {"id0": True, "id1": False, "id2": True, "id3": None, "id4": None}),
        (EVENTS, {}, {f"colours.test.{n}": right for n, right in enumerate((True, False, True, None))}),
        (ITEMS, {}, {"0": True, "1": False, "2": True, "3": None}),
        ("openai_evals/output_items.jsonl", {"metric": "string check"}, {"0": True, "1": False, "2": True, "3": None}),
        (SOLUTIONS, {"run": 1}, {"HumanEval/0": True, "HumanEval/1": False, "HumanEval/2": False}),
        (SOLUTIONS, {"run": 1, "metric": "base"}, {"HumanEval/0": True, "HumanEval/1": True, "HumanEval/2": False}),
        (SOLUTIONS, {"run": 2}, {"HumanEval/0": True, "HumanEval/1": False, "HumanEval/2": True}),
        ("opencompass/results/tiny/colours.json", {}, {"colours_0": True, "colours_1": False, "colours_2": True}),
        ("opencompass/results/tiny/twice.json", {"run": 2}, {"colours_0": False, "colours_1": True, "colours_2": True}),
        ("evalplus/base_eval_results.json", {}, {"HumanEval/0": True, "HumanEval/1": True, "HumanEval/2": False}),
        (
            REPORT,
            {},
            {
                "pier__pier-1": True,
                "pier__pier-2": False,
                "pier__pier-3": None,  # an error
                "quay__quay-4": True,
                "quay__quay-5": None,  # its environment broke
                "quay__quay-6": False,  # an empty patch
                "quay__quay-7": None,  # not submitted
            },
        ),
    ],
)
def test_verdicts(log: str, chosen: dict[str, Any], expected: dict[str, bool | None]) -> None:
    assert verdicts(log, **chosen) == expected


@pytest.mark.parametrize(
    ("log", "chosen", "name", "task", "metric", "settings"),
    [
        (CHOICE, {"metric": "acc"}, "harbour/tiny", "colours", "acc", {}),
        (f"{REVIEWS}/sums_main.jsonl", {}, "tiny", "sums_main", "acc", {}),
        (SUMS, {}, "harbour/tiny", "sums", "extractive_match", {}),
        (CASES, {}, "test_run_20261130_100000", "colours", "pass", {}),
        (EVENTS, {}, "harbour/tiny", "colours.test.v0", "accuracy", {"split": "test"}),
        (SOLUTIONS, {"run": 1}, "tiny", None, "plus", {"problems": "fe585eb4"}),
        (REPORT, {}, "harbour__tiny.first", None, "resolved", {}),
        (
            HELM,
            {"metric": "exact_match"},
            "harbour/tiny",
            "colours:subject=maps",
            "exact_match",
            {
                "method": "multiple_choice_joint",
                "num_fewshot": 5,
                "generation": {"temperature": 0.0, "max_tokens": 1, "num_outputs": 5},
            },
        ),
    ],
)
def test_headers(
    log: str, chosen: dict[str, Any], name: str, task: str | None, metric: str, settings: dict[str, Any]
) -> None:
    header = read(log, **chosen).header
    assert (header.name, header.task, header.metric, header.settings) == (name, task, metric, settings)
    assert header.lower_is_better is False


@pytest.mark.parametrize(
    ("log", "chosen", "expected"),
    [
        (f"{REVIEWS}/sums_main.jsonl", {}, ("6", ["8"], "How many legs have two cats?", "Six legs.", None)),
        (SUMS, {}, ("Six legs.", ["8"], "How many legs have two cats?", "Six legs.", None)),
        (COLOURS, {"metric": "acc"}, (None, [" black"], "Question: What colour is coal?\nAnswer:", None, 2)),
        (CASES, {}, (None, ["Black"], "What colour is coal?", "White.", None)),
        (
            HELM,
            {"metric": "exact_match"},
            ("white", ["black"], "Question: What colour is coal?\nAnswer:", " A", 3),
        ),
        (EVENTS, {}, ("White", ["Black"], "What colour is coal?", "White", None)),
        (ITEMS, {}, (None, None, "What colour is coal?", "White", None)),
    ],
)
def test_rows(log: str, chosen: dict[str, Any], expected: tuple[Any, ...]) -> None:
    row = read(log, **chosen).table.row(1, named=True)
    assert tuple(row[name] for name in ("prediction", "reference", "prompt", "output", "choices")) == expected


def test_scores_that_are_no_verdicts() -> None:
    found = read(CASES, metric="Answer Relevancy")
    assert found.kind == "continuous"
    assert found.table["score"].to_list() == [0.9, 0.8, 0.25, None, None]


@pytest.mark.parametrize(
    ("log", "chosen", "column", "expected"),
    [
        (f"{REVIEWS}/sums_main.jsonl", {}, "kind", "sum"),
        (SUMS, {}, "unit", "none"),
        (CASES, {}, "kind", "colour"),
        (HELM, {"metric": "exact_match"}, "split", "test"),
        (ITEMS, {}, "expected", "White"),
        (REPORT, {}, "repository", "pier__pier"),
        (SOLUTIONS, {"run": 1}, "base", "pass"),
        (CHOICE, {"metric": "acc"}, "filter", "none"),
    ],
)
def test_columns_to_slice_by(log: str, chosen: dict[str, Any], column: str, expected: str) -> None:
    assert read(log, columns=(column,), **chosen).table[column][0] == expected


@pytest.mark.parametrize(
    ("log", "chosen", "message"),
    [
        (CHOICE, {}, "several metrics, choose one with metric=NAME: acc, acc_norm"),
        (CHOICE, {"metric": "acc", "model": "x"}, "no model 'x'; there is harbour/tiny"),
        (GSM8K, {}, "several tasks, choose one with task=NAME: sums/strict-match, sums/flexible-extract"),
        (f"{REVIEWS}/sums_twice.jsonl", {}, "several runs, choose one with run=NAME: 1, 2"),
        (f"{REVIEWS}/sums_main.jsonl", {"filter": "x"}, "does not record a filter"),
        (f"{REVIEWS}/sums_main.jsonl", {"task": "x"}, "no task 'x'; there is sums_main"),
        (COLOURS, {}, "several metrics, choose one with metric=NAME: acc, acc_norm"),
        (COLOURS, {"metric": "acc", "run": 1}, "does not record a run"),
        (CASES, {"metric": "x"}, "no metric 'x'; there is pass, Answer Relevancy, Exact Match"),
        (HELM, {}, "several metrics, choose one with metric=NAME: exact_match, num_prompt_tokens"),
        (HELM, {"metric": "exact_match", "run": 2}, "no run '2'; there is 1"),
        (EVENTS, {"metric": "f1"}, "no metric 'f1'; there is accuracy, length"),
        (ITEMS, {"task": "x"}, "does not record a task"),
        (SOLUTIONS, {}, "several runs, choose one with run=NAME: 1, 2"),
        ("evalplus/base_eval_results.json", {"metric": "plus"}, "no metric 'plus'; there is base"),
        (REPORT, {"metric": "x"}, "no metric 'x'; there is resolved"),
        (REPORT, {"anew": True}, "no sample has an output to score"),
        (REPORT, {"rename": {"prediction": "x"}}, "is a log, where nothing can be renamed to prediction"),
    ],
)
def test_what_is_not_there(log: str, chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(log, **chosen)
    assert message in str(caught.value)
    assert Path(log).name in str(caught.value)


def changed(tmp_path: Path, log: str, old: str, new: str) -> Path:
    """A copy of a log of one file, in which something is another."""
    path = tmp_path / Path(log).name
    text = (LOGS / log).read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("log", "chosen", "old", "new", "message"),
    [
        (f"{REVIEWS}/sums_main.jsonl", {}, "Five cars", "Six cars", "prompt"),
        (f"{REVIEWS}/sums_main.jsonl", {}, '"target": ["20"]', '"target": ["24"]', "reference"),
        (CHOICE, {"metric": "acc"}, "fresh grass?", "old grass?", "prompt"),
        (CASES, {}, "of coal?", "of soot?", "prompt"),
        (EVENTS, {}, "is coal?", "is soot?", "prompt"),
        (ITEMS, {}, "is coal?", "is soot?", "prompt"),
        (SOLUTIONS, {"run": 1}, "fe585eb4", "aaaaaaaa", "problems"),
    ],
)
def test_other_questions_are_refused(
    tmp_path: Path, log: str, chosen: dict[str, Any], old: str, new: str, message: str
) -> None:
    other = changed(tmp_path, log, old.replace("of coal?", "is coal?"), new.replace("of soot?", "is soot?"))
    with pytest.raises(DataError, match=message):
        compare(read(log, **chosen), read_predictions(other, Selection(**chosen)))


def test_an_answer_that_was_lost_is_found() -> None:
    first, second = read(SOLUTIONS, run=1), read(SOLUTIONS, run=2)
    found = compare(second, first)  # HumanEval/2 passed in the second run alone
    assert found.comparison.regression == 1
    assert found.comparison.both_right == 1


def test_a_metric_that_is_met_below_its_threshold_is_better_lower(tmp_path: Path) -> None:
    metric = {"name": "Bias", "threshold": 0.5, "score": 0.25, "success": True}
    case = {"name": "a", "input": "q", "actualOutput": "x", "success": True, "metricsData": [metric], "order": 0}
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"testCases": [case], "metricsScores": []}))
    assert read_predictions(path, Selection(metric="Bias")).header.lower_is_better is True


def test_reviews_of_old_releases_have_a_question_and_one_target(tmp_path: Path) -> None:
    score = {"score": {"value": {"acc": 1.0}, "extracted_prediction": "B", "prediction": "B."}, "group_id": 0}
    path = tmp_path / "old.jsonl"
    path.write_text(json.dumps({"index": 0, "input": "Which?", "target": "B", "sample_score": score}))
    row = read_predictions(path).table.row(0, named=True)
    assert (row["prompt"], row["reference"], row["correct"]) == ("Which?", ["B"], True)


def test_helm_without_its_texts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "per_instance_stats.json").write_bytes((LOGS / HELM / "per_instance_stats.json").read_bytes())
    with pytest.raises(DataError, match=r"scenario_state\.json: no such file; .* give the whole folder of a run"):
        read_predictions(tmp_path)


def test_any_file_of_a_run_of_helm_stands_for_it() -> None:
    for name in ("per_instance_stats.json", "scenario_state.json"):
        assert read(f"{HELM}/{name}", metric="exact_match").table.equals(read(HELM, metric="exact_match").table)


def test_an_instance_listed_as_two_things_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"resolved_ids": ["a-1"], "unresolved_ids": ["a-1"]}))
    with pytest.raises(DataError, match="a-1 is listed as resolved and as unresolved"):
        read_predictions(path)


def test_a_state_of_tests_that_is_none_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path, SOLUTIONS, '"timeout"', '"skipped"')
    with pytest.raises(DataError, match="HumanEval/2: status 'skipped' is none of pass, fail, timeout"):
        read_predictions(path, Selection(run=1))


def test_several_matches_of_a_sample_are_their_share(tmp_path: Path) -> None:
    events = [{"sample_id": "a", "type": "match", "data": {"correct": right}} for right in (True, True, False, False)]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in [{"spec": {"eval_name": "e"}}, *events]))
    assert read_predictions(path).table["score"].to_list() == [0.5]


@pytest.mark.parametrize(("results", "right"), [([True, True], True), ([True, False], False), ([], None)])
def test_an_item_is_right_where_every_grader_passed_it(tmp_path: Path, results: list[bool], right: bool | None) -> None:
    graders = [{"name": f"g{n}", "passed": passed, "score": 0.5} for n, passed in enumerate(results)]
    path = tmp_path / "items.json"
    path.write_text(json.dumps([{"datasource_item_id": 0, "results": graders, "sample": None}]))
    assert read_predictions(path).table["correct"].to_list() == [right]


def test_details_by_number_have_prompts(tmp_path: Path) -> None:
    details = {"type": "GEN", "0": {"prompt": "Which?", "predictions": "b", "references": "a", "correct": False}}
    path = tmp_path / "colours.json"
    path.write_text(json.dumps({"accuracy": 0.0, "details": details}, indent=4))
    row = read_predictions(path).table.row(0, named=True)
    assert (row["id"], row["prompt"], row["reference"], row["correct"]) == ("0", "Which?", ["a"], False)


def test_an_infrastructure_failure_of_nothing_is_refused(tmp_path: Path) -> None:
    """It would count as resolved or not under the id that was meant."""
    report = json.loads((LOGS / REPORT).read_text())
    (tmp_path / "a.json").write_text(json.dumps({**report, "infra_failure_ids": ["quay__quay-9"]}))
    with pytest.raises(DataError, match="'quay__quay-9' is in infra_failure_ids and in no other list"):
        read_predictions(tmp_path / "a.json")
