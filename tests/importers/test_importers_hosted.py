"""Pydantic Evals, Langfuse, Braintrust: experiments of which a sample may be run several times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from places import LOGS
from stillright.comparison import compare
from stillright.errors import DataError
from stillright.importers import Selection, read_predictions
from stillright.records import PredictionSet

REPORT, TWICE = "pydantic_evals/report.json", "pydantic_evals/twice.json"
ITEMS = "langfuse/items.json"
EVENTS, ZEROS, TRIALS = "braintrust/events.json", "braintrust/zeros.json", "braintrust/trials.jsonl"
SNOW, COAL, SEA = "What colour is snow?", "What colour is coal?", "What colour is the sea on a map?"
GRASS, BARK = "What colour is fresh grass?", "What colour is bark?"
# of "exact": the judge failed at the sea, the task at grass
EXACT = {SNOW: True, COAL: False, SEA: None, GRASS: None, BARK: False}


def read(log: str, **chosen: Any) -> PredictionSet:
    return read_predictions(LOGS / log, Selection(**chosen))


def written(tmp_path: Path, value: Any, name: str = "log.json") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize(
    ("log", "chosen", "expected"),
    [
        # the task of Case 4 failed; the sea is judged by EqualsExpected, and by nothing else
        (REPORT, {"metric": "EqualsExpected"}, {"snow": True, "coal": False, "sea": False, "Case 4": None}),
        (REPORT, {"metric": "one_word"}, {"snow": True, "coal": True, "sea": None, "Case 4": None}),
        (TWICE, {"metric": "one_word", "run": 2}, {"snow": True, "coal": True, "sea": None, "Case 4": None}),
        (ITEMS, {"metric": "exact"}, {"item-0": True, "item-1": False, "item-2": None, "item-3": None}),
        (EVENTS, {"metric": "exact"}, EXACT),
        (ZEROS, {"metric": "exact"}, EXACT),  # the same failures, logged as zeros
        (TRIALS, {"metric": "exact", "run": 2}, EXACT),
    ],
)
def test_verdicts(log: str, chosen: dict[str, Any], expected: dict[str, bool | None]) -> None:
    found = read(log, **chosen)
    assert found.kind == "discrete"
    assert dict(found.table.select("id", "correct").iter_rows()) == expected


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (REPORT, [0.75, 0.75, None, None]),
        (ITEMS, [0.75, 0.75, None, None]),
        (EVENTS, [0.75, 0.75, 0.65, None, None]),  # the scorer does not apply to bark: null
    ],
)
def test_scores(log: str, expected: list[float | None]) -> None:
    found = read(log, metric="brevity")
    assert found.kind == "continuous"
    assert found.table["score"].to_list() == expected


@pytest.mark.parametrize(
    ("log", "name", "task", "source"),
    [
        (REPORT, "tiny", "colours", {"tool": "Pydantic Evals"}),
        (ITEMS, "tiny", "colours", {"tool": "Langfuse"}),
        (EVENTS, "events", None, {"tool": "Braintrust", "experiment": "e1"}),
    ],
)
def test_headers(log: str, name: str, task: str | None, source: dict[str, str]) -> None:
    header = read(log, metric="brevity").header
    assert (header.name, header.task, header.metric, header.source) == (name, task, "brevity", source)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (REPORT, ("coal", ["Black"], COAL, "White", "colour")),
        (ITEMS, ("item-1", ["Black"], f'{{"question": "{COAL}"}}', "White", "colour")),
        (EVENTS, (COAL, ["Black"], COAL, "White", "colour")),
    ],
)
def test_rows(log: str, expected: tuple[Any, ...]) -> None:
    found = read(log, metric="brevity", columns=("kind",))
    assert found.table.select("id", "reference", "prompt", "output", "kind").row(1) == expected


def test_labels_can_be_sliced_by() -> None:
    assert read(REPORT, metric="brevity", columns=("tone",)).table["tone"].to_list() == ["dry", "dry", None, None]
    assert read(ITEMS, metric="brevity", columns=("tone",)).table["tone"].to_list() == [None, None, "dry", None]


@pytest.mark.parametrize(
    ("log", "chosen", "message"),
    [
        (REPORT, {}, "several metrics, choose one with metric=NAME: brevity, EqualsExpected, one_word"),
        (REPORT, {"metric": "tone"}, "no metric 'tone'"),  # a label
        (REPORT, {"metric": "brevity", "run": 2}, "no run '2'; there is 1"),
        (REPORT, {"metric": "one_word", "lower_is_better": True}, "higher one_word is better"),
        (TWICE, {"metric": "brevity"}, "several runs, choose one with run=NAME: 1, 2"),
        (ITEMS, {}, "several metrics, choose one with metric=NAME: exact, brevity"),
        (ITEMS, {"metric": "exact", "model": "x"}, "no model 'x'; there is tiny"),
        (ITEMS, {"metric": "exact", "task": "x"}, "no task 'x'; there is colours"),
        (EVENTS, {}, "several metrics, choose one with metric=NAME: exact, brevity"),
        (EVENTS, {"metric": "exact", "task": "x"}, "does not record a task"),
        (TRIALS, {"metric": "exact"}, "several runs, choose one with run=NAME: 1, 2"),
    ],
)
def test_what_is_not_there(log: str, chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(log, **chosen)
    assert message in str(caught.value)
    assert Path(log).name in str(caught.value)


@pytest.mark.parametrize(("log", "message"), [(REPORT, "lacks 1 ids .such as 'What colour is coal"), (ITEMS, "prompt")])
def test_other_questions_are_refused(tmp_path: Path, log: str, message: str) -> None:
    other = tmp_path / "other.json"
    other.write_text((LOGS / log).read_text().replace(COAL, "What colour is soot?"))
    with pytest.raises(DataError, match=message):
        compare(read(log, metric="brevity"), read_predictions(other, Selection(metric="brevity")))


def test_a_repeat_without_its_number_is_refused(tmp_path: Path) -> None:
    report = json.loads((LOGS / TWICE).read_text())
    report["cases"][0]["name"] = "snow, again"
    with pytest.raises(DataError, match="'snow, again' is a repeat without its number, as in 'snow \\[1/3\\]'"):
        read_predictions(written(tmp_path, report), Selection(metric="brevity", run=1))


def test_items_are_read_from_a_page_a_list_and_lines(tmp_path: Path) -> None:
    page = json.loads((LOGS / ITEMS).read_text())
    lines = tmp_path / "items.jsonl"
    lines.write_text("".join(json.dumps(item) + "\n" for item in page["data"]))
    for path in (written(tmp_path, page["data"]), lines):
        assert read_predictions(path, Selection(metric="exact")).table.equals(read(ITEMS, metric="exact").table)


def test_an_item_that_was_run_again_is_of_the_second_run(tmp_path: Path) -> None:
    """By time, not by place: the API lists the latest first."""
    items = json.loads((LOGS / ITEMS).read_text())["data"]
    again = {**items[-1], "startTime": "2026-11-30T11:00:00.000Z", "output": "Whitish", "scores": []}
    path = written(tmp_path, [again, *items])
    assert read_predictions(path, Selection(metric="exact", run=1)).table["output"][0] == "White"
    assert read_predictions(path, Selection(run=2, anew=True)).table["output"].to_list() == ["Whitish"]


def test_one_of_several_experiments_is_chosen(tmp_path: Path) -> None:
    items = json.loads((LOGS / ITEMS).read_text())["data"]
    path = written(tmp_path, [*items, *({**item, "experimentName": "large"} for item in items)])
    with pytest.raises(DataError, match="several models, choose one with model=NAME: tiny, large"):
        read_predictions(path, Selection(metric="exact"))
    assert read_predictions(path, Selection(metric="exact", model="large")).header.name == "large"


def test_judges_who_disagree_on_an_item_are_refused(tmp_path: Path) -> None:
    items = json.loads((LOGS / ITEMS).read_text())["data"]
    items[-1]["scores"].append({"name": "exact", "dataType": "BOOLEAN", "value": False})
    with pytest.raises(DataError, match=r"item-0: several scores exact: 1\.0, 0\.0; keep one for each item"):
        read_predictions(written(tmp_path, items), Selection(metric="exact"))


def spans(*scores: dict[str, float | None], **root: Any) -> list[dict[str, Any]]:
    """A test case, and a span of a scorer for each of `scores`."""
    ids = {"root_span_id": "r", "experiment_id": "e"}
    scorers = [
        {"id": f"s{n}", "span_id": f"s{n}", "span_parents": ["r"], "span_attributes": {"type": "score"}, "scores": each}
        for n, each in enumerate(scores)
    ]
    first = {"id": "r", "span_id": "r", "span_parents": [], "input": "Which?", "output": "x", **root}
    return [span | ids for span in (first, *scorers)]


@pytest.mark.parametrize(
    ("found", "score"),
    [
        (spans({"a": 0.5}), 0.5),
        (spans({"a": 0.5}, {"a": 0.5}), 0.5),
        (spans({"a": 0.5}, {"a": None}), 0.5),
        (spans({"a": 0.5}, scores={"a": 0.25}), 0.25),  # what stands in the test case itself
        (spans({"a": 0.5}, scores={"a": None}), 0.5),
        (spans({"a": 0.5}, error="no reply"), None),
        (spans({"a": 0.5}, metadata={"scorer_errors": {"a": "no reply"}}), None),
        (spans({"a": 0.5}, metadata={"scorer_errors": {"b": "no reply"}}), 0.5),
    ],
)
def test_the_score_of_a_test_case(tmp_path: Path, found: list[dict[str, Any]], score: float | None) -> None:
    assert read_predictions(written(tmp_path, found), Selection(metric="a")).table["score"].to_list() == [score]


def test_scorers_who_disagree_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Which\?: a is 0\.5, 0\.25 in the spans of one test case; keep one"):
        read_predictions(written(tmp_path, spans({"a": 0.5}, {"a": 0.25})))


def test_only_the_last_version_of_a_span_counts(tmp_path: Path) -> None:
    """Also where numbers of versions differ in length."""
    old, new = ({**span, "_xact_id": version} for version in ("999", "1000") for span in spans(scores={"a": 0.5}))
    new["output"] = "y"
    for listed in ([old, new], [new, old]):
        assert read_predictions(written(tmp_path, listed)).table["output"].to_list() == ["y"]


def test_rows_of_a_dataset_are_the_ids_where_all_have_one(tmp_path: Path) -> None:
    rows = [
        *spans(scores={"a": 0.5}, origin={"object_type": "dataset", "object_id": "d", "id": "row 1"}),
        *({**each, "root_span_id": "q", "id": "q"} for each in spans(scores={"a": 0.5}, input="Who?")),
    ]
    assert read_predictions(written(tmp_path, rows[:1])).table["id"].to_list() == ["row 1"]
    assert sorted(read_predictions(written(tmp_path, rows)).table["id"]) == ["Which?", "Who?"]
