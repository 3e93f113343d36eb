"""Results written as every_eval_ever has them: read back, they are the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from places import LOGS
from samples import write_rows
from stillright.cli import main
from stillright.errors import DataError
from stillright.importers import Selection, read_predictions
from stillright.records import Header, PredictionSet
from stillright.report.every_eval_ever import export


@pytest.mark.parametrize(
    ("log", "selection"),
    [("harness/gsm8k", Selection()), ("harness/several", Selection(task="summaries", metric="rouge1"))],
)
def test_what_is_written_is_read_back(log: str, selection: Selection, tmp_path: Path) -> None:
    predictions = read_predictions(LOGS / log, selection)
    found = read_predictions(export(predictions, tmp_path))
    assert found.table.equals(predictions.table)
    assert (found.kind, found.header.task, found.header.metric) == (
        predictions.kind,
        predictions.header.task,
        predictions.header.metric,
    )


def test_unscored_samples_are_left_out(tmp_path: Path) -> None:
    predictions = read_predictions(LOGS / "evalscope/reviews/tiny/sums_main.jsonl")  # 3 has no value
    assert read_predictions(export(predictions, tmp_path)).table["id"].to_list() == ["0", "1", "2"]


def test_what_is_said_of_the_run(tmp_path: Path) -> None:
    header = Header(name="harbour/tiny", task="../knots", lower_is_better=True, metric="wer")
    rows = [{"id": "1", "score": 0.5, "output": "x"}, {"id": "2", "score": 0.25, "output": "y"}]
    samples = export(PredictionSet.from_rows(header, rows), tmp_path)
    assert samples.parent == tmp_path / "data/_knots/harbour/tiny"
    account = json.loads(Path(str(samples).replace("_samples.jsonl", ".json")).read_text())
    (result,) = account["evaluation_results"]
    assert result["metric_config"] == {"metric_name": "wer", "lower_is_better": True}
    assert result["score_details"] == {"score": 0.375, "uncertainty": {"num_samples": 2}}  # (0.5 + 0.25) / 2
    detail = account["detailed_evaluation_results"]
    assert detail["file_path"] == f"data/_knots/harbour/tiny/{samples.name}"
    assert (detail["checksum"], detail["total_rows"]) == (hashlib.sha256(samples.read_bytes()).hexdigest(), 2)
    assert account["model_info"]["id"] == "harbour/tiny"
    assert read_predictions(samples).header.lower_is_better is True


def test_the_same_results_have_the_same_name(tmp_path: Path) -> None:
    predictions = read_predictions(LOGS / "harness/gsm8k")
    assert export(predictions, tmp_path) == export(predictions, tmp_path)


def test_nothing_is_no_export(tmp_path: Path) -> None:
    predictions = PredictionSet.from_rows(Header(name="a"), [{"id": "1", "output": "x"}])
    with pytest.raises(DataError, match="a: no sample is scored, so there is nothing to export"):
        export(predictions, tmp_path)


def test_compare_exports_every_model(tmp_path: Path) -> None:
    for name, answers in (("old", "AAB"), ("new", "ABB")):
        rows = [{"id": i, "prediction": each, "reference": "A"} for i, each in enumerate(answers)]
        write_rows(tmp_path / f"{name}.jsonl", rows)
    words = ["compare", str(tmp_path / "old.jsonl"), str(tmp_path / "new.jsonl"), "--export", str(tmp_path / "out")]
    assert main(words) == 0
    assert sorted(path.parent.name for path in (tmp_path / "out").rglob("*_samples.jsonl")) == ["new", "old"]
