"""Logs of answers: which row of a task each answers, and what it says; nothing is guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from places import LOGS
from samples import write_rows
from stillright.config import TaskConfig
from stillright.errors import DataError
from stillright.importers import write_predictions
from stillright.tasks import Task, load_task
from stillright.tasks.answers import Answers, choice_of, join, read_log, splits_of, text_of

ROWS = [
    {"question": "What is the sky", "choices": ["red", "blue", "green"], "label": 1},
    {"question": "What is grass", "choices": ["red", "blue", "green"], "label": 2},
    {"question": "What is grass", "choices": ["black", "green"], "label": 1},
    {"question": "What is coal", "choices": ["black", "white"], "label": 0},
]


def task_of(folder: Path, rows: list[dict[str, Any]], **changes: Any) -> Task:
    """A task that is tested on `rows`."""
    data = write_rows(folder / "rows.jsonl", rows)
    values = {"name": "colours", "prompt": "{{question}}?", "choices": "choices", "answer": "label", **changes}
    return load_task(TaskConfig(train=data, test=data, **{k: v for k, v in values.items() if v is not None}))


def joined(task: Task, path: Path, shared_ids: bool = False) -> Answers:
    return join(read_log(path, task), task, splits_of(task)[1], f"old.test {path}", shared_ids)


def choices(folder: Path, rows: list[dict[str, Any]], log: list[dict[str, Any]], **changes: Any) -> list[int | None]:
    """What a log says of the rows of a task."""
    return joined(task_of(folder, rows, **changes), write_rows(folder / "log.jsonl", log)).choices


def test_ids_of_the_rows(tmp_path: Path) -> None:
    rows = [{**row, "id": f"q{i}"} for i, row in enumerate(ROWS)]
    log = [{"id": f"q{i}", "prediction": str(i % 2)} for i in (3, 1, 0)]
    assert choices(tmp_path, rows, log) == [0, 1, None, 1]


def test_places_of_the_rows_as_the_harness_counts_them(tmp_path: Path) -> None:
    """Also where the rows have ids of their own, which the harness does not use."""
    log = [{"id": i, "prediction": "0"} for i in (0, 2)]
    assert choices(tmp_path, ROWS, log) == [0, None, 0, None]
    assert choices(tmp_path, [{**row, "id": f"q{i}"} for i, row in enumerate(ROWS)], log) == [0, None, 0, None]
    drawn = task_of(tmp_path, ROWS, test_limit=2)
    found = joined(drawn, write_rows(tmp_path / "log.jsonl", [{"id": i, "prediction": "0"} for i in range(4)]))
    assert [row and row["id"] for row in found.rows] == [str(i) for i in drawn.test_positions]
    assert found.unused == 2


def test_prompts_that_both_have_once(tmp_path: Path) -> None:
    """Two rows ask about grass, and the log twice about the sky: none of these is joined."""
    asked = ["What is coal?", "What is grass?", "What is the sky?", "What is the sky?"]
    log = [{"id": f"call-{i}", "prompt": f"{prompt} ", "prediction": "0"} for i, prompt in enumerate(asked)]
    assert choices(tmp_path, ROWS, log) == [None, None, None, 0]


def test_an_id_is_no_answer_to_another_question(tmp_path: Path) -> None:
    log = [
        {"id": 0, "prompt": "What is coal?", "prediction": "1"},  # the task's row 3
        {"id": 1, "reference": "red", "prediction": "0"},  # other right answer
        {"id": 2, "reference": "green", "prediction": "0"},
    ]
    assert choices(tmp_path, ROWS, log) == [None, None, 0, 1]


def test_nothing_that_joins_is_refused_with_an_example_of_each_side(tmp_path: Path) -> None:
    log = [{"id": "call-1", "prompt": "Q: What is coal?", "prediction": "0"}]
    with pytest.raises(DataError) as caught:
        choices(tmp_path, ROWS, log)
    for said in ("none of its 1 answers", "id 'call-1' with prompt 'Q: What is coal?'", "'What is the sky?'"):
        assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_ids_may_be_of_another_split_prompts_decide(tmp_path: Path) -> None:
    task = task_of(tmp_path, ROWS)
    log = [{"id": 0, "prediction": "0"}, {"id": 2, "prompt": "What is grass?", "prediction": "1"}]
    found = joined(task, write_rows(tmp_path / "log.jsonl", log), shared_ids=True)
    assert [row is not None for row in found.rows] == [False, False, True, False]


@pytest.mark.parametrize(
    ("row", "options", "number"),
    [
        ({"prediction": "1"}, ["red", "blue"], 1),
        ({"prediction": " blue "}, ["red", "blue"], 1),
        ({"output": "blue"}, ["red", "blue"], 1),
        ({"prediction": "B"}, ["red", "blue"], None),
        ({"prediction": "2"}, ["red", "blue"], None),
        ({"prediction": "blue"}, ["blue", "blue"], None),  # which of them is not told
        ({"prediction": "1", "output": "it is red"}, ["red", "blue"], 1),
        ({"prediction": "1", "output": "red"}, ["red", "blue"], None),  # contradicts itself
        ({"prediction": "1"}, ["1", "2"], None),  # the number, or the text
        ({"prediction": "1", "output": "2"}, ["1", "2"], 1),
        ({"prediction": "1", "output": "1"}, ["1", "2"], 0),
        ({"correct": True}, ["red", "blue"], None),
    ],
)
def test_a_choice_is_told_by_number_or_text(row: dict[str, Any], options: list[str], number: int | None) -> None:
    assert choice_of({"prediction": None, "output": None, **row}, options) == number


def test_answers_that_are_no_choices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no answer is one of the choices, such as 'C' of \['red', 'blue', 'green'\]"):
        choices(tmp_path, ROWS, [{"id": 0, "prediction": "C"}])


def test_an_empty_answer_is_one_and_a_missing_one_is_none() -> None:
    unknown = dict.fromkeys(("prediction", "output", "correct", "score"))
    assert text_of({**unknown, "output": "", "correct": False}) == ""
    assert text_of({**unknown, "output": ""}) is None
    assert text_of({**unknown, "prediction": "7"}) == "7"
    assert text_of({**unknown, "output": " So it is 7.\n", "prediction": "7"}) == "So it is 7."


def harness_docs(folder: Path) -> list[dict[str, Any]]:
    """The documents of a log of the harness, each once."""
    lines = next(folder.rglob("samples_*")).read_text(encoding="utf-8").splitlines()
    return list({sample["doc_id"]: sample["doc"] for sample in map(json.loads, lines)}.values())


@pytest.mark.parametrize("metric", ["acc", "acc_norm"])
def test_a_folder_of_the_harness_by_the_metric_of_the_task(tmp_path: Path, metric: str) -> None:
    folder = LOGS / "harness/choice"
    rows = harness_docs(folder)
    task = task_of(tmp_path, rows, prompt="Question: {{question}}\nAnswer:", choices="options", metric=metric)
    found = joined(task, folder)
    lines = next(folder.rglob("samples_*")).read_text(encoding="utf-8").splitlines()
    right = [json.loads(line)[metric] == 1.0 for line in lines]
    assert [number == row["label"] for number, row in zip(found.choices, rows, strict=True)] == right
    predictions = found.predictions("old")
    assert predictions.table["correct"].to_list() == right
    assert (predictions.header.metric, predictions.header.kind) == (metric, "discrete")


@pytest.mark.parametrize("filtered", ["strict-match", "flexible-extract"])
def test_generated_answers_are_judged_as_the_task_does(tmp_path: Path, filtered: str) -> None:
    """Of these the harness has its verdicts, with both filters; without them the texts give the same."""
    folder = LOGS / "harness/gsm8k"
    rows = write_rows(tmp_path / "rows.jsonl", harness_docs(folder))
    task = load_task(TaskConfig(name="gsm8k", train=rows, test=rows, filter=filtered))
    lines = [*map(json.loads, next(folder.rglob("samples_*")).read_text(encoding="utf-8").splitlines())]
    with pytest.raises(DataError, match=r"Question: .* … .*Answer:' \([\d,]+ letters\)"):  # with shots before it
        joined(task, folder)
    for line in lines:
        line["arguments"]["gen_args_0"]["arg_0"] = task.prompt(line["doc"])
    found = joined(task, write_rows(tmp_path / "samples_sums_2026-11-24T06-56-53.046855.jsonl", lines))
    logged = {line["doc_id"]: line for line in lines if line["filter"] == filtered}
    right = [logged[i]["exact_match"] == 1.0 for i in range(len(logged))]
    assert found.predictions("old").table["correct"].to_list() == right
    texts = [logged[i]["resps"][0][0].strip() if good else None for i, good in enumerate(right)]
    assert found.right_texts == texts
    bare = [{"id": i, "output": logged[i]["resps"][0][0]} for i in range(len(logged))]
    by_text = joined(task, write_rows(tmp_path / "bare.jsonl", bare))
    assert by_text.predictions("old").table["correct"].to_list() == right


def test_what_is_kept_of_a_log_can_be_joined_again(tmp_path: Path) -> None:
    task = task_of(tmp_path, ROWS)
    first = joined(task, write_rows(tmp_path / "log.jsonl", [{"id": i, "prediction": "0"} for i in (0, 2, 3)]))
    write_predictions(first.predictions("old"), tmp_path / "kept.jsonl")
    again = joined(task, tmp_path / "kept.jsonl")
    assert again.choices == first.choices == [0, None, 0, 0]
    assert again.predictions("old").table.equals(first.predictions("old").table)
