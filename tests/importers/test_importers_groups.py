"""Groups of tasks of lm-evaluation-harness as one set, and its files under older names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from logs import harness_log, harness_results, harness_sample
from stillright.comparison import compare
from stillright.config import Policy
from stillright.config.strict import parse
from stillright.errors import DataError
from stillright.importers import Selection, read_predictions
from stillright.verdict import gate

TASKS = ["knots_basic", "knots_bends"]
OLD = {"knots_basic": [1.0, 1.0, 0.0], "knots_bends": [1.0, 0.0, 0.0], "ferries": [1.0]}
NEW = {"knots_basic": [1.0, 0.0, 0.0], "knots_bends": [0.0, 1.0, 1.0], "ferries": [0.0]}
GROUPS = {"all": ["knots", "ferries"], "knots": TASKS, "ferries": []}


def run(folder: Path, values: dict[str, list[float]], **results: Any) -> Path:
    for task, of_task in values.items():
        harness_log(folder, task, of_task)
    harness_results(folder, list(values), group_subtasks=GROUPS, **results)
    return folder


@pytest.mark.parametrize("wanted", ["knots_*", "knots"])
def test_a_group_is_one_comparison(tmp_path: Path, wanted: str) -> None:
    old, new = run(tmp_path / "old", OLD), run(tmp_path / "new", NEW)
    comparison = compare(old, new, selection=Selection(task=wanted))
    assert (comparison.task, comparison.n, comparison.old.score, comparison.new.score) == (wanted, 6, 3 / 6, 3 / 6)
    assert (comparison.comparison.regression, comparison.comparison.gain) == (2, 2)
    assert {each.id for each in comparison.worst} == {"knots_basic/1", "knots_bends/0"}
    slices = [(part.column, part.value, part.n, part.comparison.regression) for part in comparison.slices]
    assert slices == [("task", "knots_basic", 3, 1), ("task", "knots_bends", 3, 1)]
    limit = {"metric": "nfr", "max": 0.9, "slice": "task=knots_bends"}
    policy = parse(Policy, {"limits": [limit], "must_pass": ["knots_basic/0"]}, "policy")
    assert gate(old, new, policy, selection=Selection(task=wanted)).verdict.outcome == "pass"


def test_groups_within_groups(tmp_path: Path) -> None:
    table = read_predictions(run(tmp_path, OLD), Selection(task="all")).table
    assert table["id"].to_list()[0] == "ferries/0"
    assert table["task"].to_list() == ["ferries"] + 3 * ["knots_basic"] + 3 * ["knots_bends"]


def test_settings_of_a_group_are_those_of_each_task(tmp_path: Path) -> None:
    old = run(tmp_path / "old", OLD)
    new = run(tmp_path / "new", NEW, **{"n-shot": {"knots_basic": 0, "knots_bends": 5, "ferries": 0}})
    with pytest.raises(DataError, match="differ in setting num_fewshot of knots_bends .*: 0, .*: 5"):
        compare(old, new, selection=Selection(task="knots"))
    assert compare(old, new, selection=Selection(task="knots"), allow=["prompt"]).n == 6


def test_other_documents_of_one_task_of_a_group_are_refused(tmp_path: Path) -> None:
    old, new = run(tmp_path / "old", OLD), run(tmp_path / "new", NEW)
    other = [harness_sample(i, "exact_match", 1.0, doc_hash=f"other{i}", arguments={}) for i in range(3)]
    next(new.glob("samples_knots_bends*")).write_text("".join(json.dumps(each) + "\n" for each in other))
    with pytest.raises(DataError, match=r"lacks 3 ids .*knots_bends/hash0"):
        compare(old, new, selection=Selection(task="knots"), allow=["prompt", "task"])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (None, r"several tasks, choose one with task=NAME: ferries, knots_basic, knots_bends; or a group, or all that"),
        ("boats_*", "no task 'boats_\\*'; there is ferries, knots_basic, knots_bends"),
        ("boats", "no task 'boats'"),
    ],
)
def test_what_is_no_group(tmp_path: Path, wanted: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_predictions(run(tmp_path, OLD), Selection(task=wanted))


def test_a_group_without_the_samples_of_a_task(tmp_path: Path) -> None:
    folder = run(tmp_path, OLD)
    next(folder.glob("samples_knots_bends*")).unlink()
    with pytest.raises(DataError, match="group knots: no samples of knots_bends; choose tasks by a pattern instead"):
        read_predictions(folder, Selection(task="knots"))


def test_tasks_with_other_metrics_are_no_group(tmp_path: Path) -> None:
    folder = run(tmp_path, OLD)
    harness_log(folder, "knots_more", [1.0], metric="acc")
    with pytest.raises(DataError, match="differ in metric .*; choose one that all have, with metric=NAME"):
        read_predictions(folder, Selection(task="knots_*"))


def test_one_task_by_its_name_is_no_group(tmp_path: Path) -> None:
    predictions = read_predictions(run(tmp_path, OLD), Selection(task="knots_bends"))
    assert predictions.table["id"].to_list() == ["0", "1", "2"]
    assert "task" not in predictions.table.columns


def test_samples_named_json(tmp_path: Path) -> None:
    file = harness_log(tmp_path, "knots", [1.0, 0.0], ending="json")
    harness_results(tmp_path, ["knots"])
    for path in (tmp_path, file):
        predictions = read_predictions(path)
        assert (predictions.header.task, predictions.name, len(predictions.table)) == ("knots", "maker/one", 2)
        assert predictions.header.settings["num_fewshot"] == 0


def test_a_folder_as_the_first_releases_filled_it(tmp_path: Path) -> None:
    harness_results(tmp_path, ["knots", "knots_more"]).rename(tmp_path / "results.json")
    for task, values in (("knots", [1.0, 0.0]), ("knots_more", [1.0])):
        rows = [harness_sample(i, "exact_match", value) for i, value in enumerate(values)]
        (tmp_path / f"pretrained__x_{task}.jsonl").write_text(json.dumps(rows, indent=2))
    assert len(read_predictions(tmp_path, Selection(task="knots")).table) == 2
    more = read_predictions(tmp_path / "pretrained__x_knots_more.jsonl")
    assert (more.header.task, more.header.settings["task_version"]) == ("knots_more", 1.0)
