"""Tables of other tools, by the names of their columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from places import LOGS
from stillright.cli.results import CHOICES
from stillright.errors import DataError
from stillright.importers import Selection, read_predictions
from stillright.importers.presets import PRESETS

RAGAS = (
    "user_input,retrieved_contexts,response,reference,faithfulness\nWhich knot?,[],Bowline,bowline,0.5\nWhy?,[],,,\n"
)
LANGSMITH = (
    "inputs.question,outputs.answer,error,reference.answer,feedback.exact,execution_time,example_id,id\n"
    "Which knot?,Bowline,,bowline,1.0,0.2,e1,r1\nWhy?,,timeout,,,0.1,e2,r2\n"
)
AZURE = '{"inputs.query": "Which?", "inputs.response": "Bowline", "outputs.F1.f1_score": 0.5}\n'


def table(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_ragas(tmp_path: Path) -> None:
    found = read_predictions(table(tmp_path, "a.csv", RAGAS), Selection(preset="ragas", metric="faithfulness"))
    assert found.header.metric == "faithfulness"
    assert found.table.select("id", "prompt", "output", "reference", "score").rows() == [
        ("Which knot?", "Which knot?", "Bowline", ["bowline"], 0.5),
        ("Why?", "Why?", "", None, None),
    ]


def test_langsmith(tmp_path: Path) -> None:
    chosen = Selection(preset="langsmith", metric="exact", rename={"output": "outputs.answer"})
    found = read_predictions(table(tmp_path, "a.csv", LANGSMITH), chosen)
    assert found.table.select("id", "output", "score").rows() == [("e1", "Bowline", 1.0), ("e2", "", None)]


def test_azure(tmp_path: Path) -> None:
    found = read_predictions(table(tmp_path, "a.jsonl", AZURE), Selection(preset="azure", metric="F1.f1_score"))
    assert found.table.select("id", "output", "score").rows() == [("Which?", "Bowline", 0.5)]


def test_scores_of_mlflow() -> None:
    found = read_predictions(LOGS / "mlflow/genai.csv", Selection(preset="mlflow", metric="brevity"))
    coal = "{'question': 'What colour is coal?'}"
    assert found.table.select("id", "prompt", "output", "reference", "score").row(0) == (
        *(coal, coal, "White", ["Black"], 0.75),
    )


def test_a_judge_of_mlflow_that_failed_leaves_a_row_unscored() -> None:
    chosen = Selection(preset="mlflow", rename={"correct": "exact/value"})
    found = read_predictions(LOGS / "mlflow/genai.csv", chosen)
    assert found.kind == "discrete"
    assert dict(found.table.select("output", "correct").rows()[2:]) == {"Unclear": None}
    assert found.table["correct"].to_list() == [False, True, None]


def test_tables_of_mlflow_models() -> None:
    chosen = Selection(preset="mlflow-models", metric="brevity/v1", rename={"reference": "ground_truth"})
    found = read_predictions(LOGS / "mlflow/models.csv", chosen)
    assert found.table.select("id", "prompt", "output", "reference", "score").row(2) == (
        *("What colour is the sea on a map?", "What colour is the sea on a map?", "Unclear", ["Blue"], 0.65),
    )


def test_metrics_that_end_alike_are_listed_without_the_reference() -> None:
    with pytest.raises(DataError, match=r"choose one with metric=NAME; there is brevity, exact$"):
        read_predictions(LOGS / "mlflow/genai.csv", Selection(preset="mlflow"))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (Selection(preset="ragas"), "the preset ragas needs a metric, choose one with metric=NAME"),
        (Selection(preset="ragas", metric="x"), "no column 'x'; there is user_input, retrieved_contexts"),
        (Selection(preset="rags", metric="x"), "no preset 'rags'; did you mean 'ragas'? there is azure, langsmith"),
    ],
)
def test_what_is_not_there(tmp_path: Path, chosen: Selection, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_predictions(table(tmp_path, "a.csv", RAGAS), chosen)
    assert message in str(caught.value)


def test_the_metrics_that_there_are_are_listed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"choose one with metric=NAME; there is exact$"):
        read_predictions(table(tmp_path, "a.csv", LANGSMITH), Selection(preset="langsmith"))


def test_a_preset_is_not_for_logs() -> None:
    with pytest.raises(DataError, match="is a log, whose columns are known; preset=ragas is for tables"):
        read_predictions(LOGS / "promptfoo/models.jsonl", Selection(preset="ragas"))


def test_the_help_names_every_preset() -> None:
    assert all(name in CHOICES["preset"] for name in PRESETS)
