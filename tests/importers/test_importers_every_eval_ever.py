"""Logs of every_eval_ever, beside the logs of lm-evaluation-harness that they were converted from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from places import LOGS
from stillright.errors import DataError
from stillright.importers import Selection, read_predictions
from stillright.records import PredictionSet

CHOICE = "every_eval_ever/choice_samples.jsonl"
GSM8K = "every_eval_ever/gsm8k_samples.jsonl"


def read(log: str, **chosen: Any) -> PredictionSet:
    return read_predictions(LOGS / log, Selection(**chosen))


@pytest.mark.parametrize(("metric", "harness"), [("acc", "acc"), ("acc_norm", "acc_norm")])
def test_every_eval_ever_has_the_verdicts_of_the_log_that_was_converted(metric: str, harness: str) -> None:
    converted, log = read(CHOICE, metric=metric), read("harness/choice", metric=harness)
    assert converted.table["correct"].to_list() == log.table["correct"].to_list()
    assert converted.table["asked"].to_list() == log.table["asked"].to_list()
    assert converted.table["prompt"].to_list() == log.table["prompt"].to_list()
    assert converted.table["choices"].to_list() == log.table["choices"].to_list()


def test_every_eval_ever_totals_lead_to_their_samples() -> None:
    totals, samples = read("every_eval_ever/choice.json", metric="acc"), read(CHOICE, metric="acc")
    assert totals.table.equals(samples.table)
    assert totals.header == samples.header


def test_tasks_of_every_eval_ever_are_its_filters_too() -> None:
    strict = read(GSM8K, task="sums/strict-match")
    log = read("harness/gsm8k", filter="strict-match")
    assert strict.table["correct"].to_list() == log.table["correct"].to_list()
    assert strict.table["prediction"].to_list() == log.table["prediction"].to_list()


def test_two_rows_of_a_sample_and_a_metric_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a_samples.jsonl"
    line = (LOGS / CHOICE).read_text().splitlines()[0]
    path.write_text(f"{line}\n{line}\n")
    with pytest.raises(DataError, match="sample 0 has several rows of acc; keep one"):
        read_predictions(path)


def test_an_error_of_every_eval_ever_is_unscored(tmp_path: Path) -> None:
    row = json.loads((LOGS / CHOICE).read_text().splitlines()[0])
    path = tmp_path / "a_samples.jsonl"
    path.write_text(json.dumps(row | {"error": "timeout"}))
    assert read_predictions(path).table["correct"].to_list() == [None]


def test_of_choices_an_answer_that_was_not_extracted_is_not_read() -> None:
    table = read(CHOICE, metric="acc_norm").table
    assert table["prediction"].null_count() == table["output"].null_count() == 8
