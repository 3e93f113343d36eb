"""Files of predictions: what is written is read back, and what is malformed is refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from stillright.errors import DataError
from stillright.records import Header, PredictionSet, Row, read_predictions, write_predictions


def test_round_trip(tmp_path: Path) -> None:
    header = Header(name="old", task="t", metric="acc", kind="discrete", settings={"dtype": "float32"})
    rows = (
        Row(id="1", prediction="A", reference=["A", "B"]),
        Row(id="ü", prediction="B", reference="A", output="x\ny"),
    )
    predictions = PredictionSet(header=header, rows=rows)
    write_predictions(predictions, tmp_path / "old.jsonl")
    assert read_predictions(tmp_path / "old.jsonl") == predictions


def test_least_form(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(
        '{"id": 17, "prediction": "B", "reference": "B"}\n\n{"id": 18, "prediction": 3, "reference": "4"}\n'
    )
    predictions = read_predictions(path)
    assert predictions.header.name == "mine"
    assert predictions.kind == "discrete"
    assert [row.right for row in predictions.rows] == [True, False]


def test_scores_alone_are_continuous(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text('{"id": "1", "output": "a", "reference": "b", "score": 0.42}\n')
    assert read_predictions(path).kind == "continuous"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no samples"),
        ("{}\n", "f.jsonl:1: id: Field required"),
        ('{"id": "1", "prediction": "A"}\n{"id": "1"', "f.jsonl:2: not JSON"),
        ("[1]\n", "f.jsonl:1: a JSON list"),
        ('{"id": "1"}\n', "neither a prediction, a score nor an output"),
        ('{"id": "1", "score": NaN}\n', "f.jsonl:1: row: Value error, score nan"),
        ('{"id": "1", "score": "high"}\n', "f.jsonl:1: score:"),
        ('{"id": "1", "score": 1}\n{"id": "1", "score": 1}\n', "'1' stands in more than one row"),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match="f.jsonl") as caught:
        read_predictions(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes('{"id": "ü", "score": 1}'.encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_predictions(path)
