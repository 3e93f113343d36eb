"""Predictions: what is written is read back, and what is malformed is refused with file and line."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from stillright.errors import DataError
from stillright.importers import Selection, read_predictions
from stillright.importers.jsonl import write_predictions
from stillright.records import Header, PredictionSet


def rows_of(path: Path) -> list[dict[str, Any]]:
    return read_predictions(path).table.to_dicts()


def test_round_trip(tmp_path: Path) -> None:
    header = Header(name="old", task="t", metric="acc", kind="discrete", settings={"fewshot": 0}, source={"a": [1]})
    rows: list[dict[str, Any]] = [
        {"id": "1", "prediction": "A", "reference": ["A", "B"]},
        {"id": "ü", "prediction": "B", "reference": "A", "output": "x\ny", "choices": 4},
        {"id": "3", "choices": 2, "choice_texts": ["", '["x"]'], "loglikelihoods": [-1.5, -0.25]},
        {"id": "4", "prediction": "A", "output_tokens": 7},
    ]
    predictions = PredictionSet.from_rows(header, rows)
    write_predictions(predictions, tmp_path / "old.jsonl")
    again = read_predictions(tmp_path / "old.jsonl")
    assert again.header == header
    assert again.table.equals(predictions.table)


def test_what_is_known_of_choices_is_a_column_only_where_a_row_has_it(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    told = '{"id": "a", "prediction": "0", "choice_texts": ["x", "y"], "loglikelihoods": [-1, -2.5]}'
    path.write_text('{"id": "b", "prediction": "1"}\n' + told + "\n")
    table = read_predictions(path).table
    assert table["choice_texts"].to_list() == [None, ["x", "y"]]
    assert table["loglikelihoods"].to_list() == [None, [-1.0, -2.5]]
    assert "output_tokens" not in table.columns
    assert not {"choice_texts", "loglikelihoods"} & {
        *read_predictions(path, Selection(all_choices=False)).table.columns
    }


def test_least_form(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(
        '{"id": 17, "prediction": "B", "reference": "B"}\n\n{"id": 18, "prediction": 3.0, "reference": [3, "4"]}\n'
    )
    predictions = read_predictions(path)
    assert predictions.name == "mine"
    assert predictions.kind == "discrete"
    kept = predictions.table.select("id", "prediction", "reference").rows()
    assert kept == [("17", "B", ["B"]), ("18", "3", ["3", "4"])]


def test_scores_alone_are_continuous(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text('{"id": "1", "output": "a", "reference": "b", "score": 0.42}\n')
    assert read_predictions(path).kind == "continuous"


def test_a_row_without_an_answer_is_unscored(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"id": 1, "prediction": null, "reference": "A"}\n{"id": 2, "prediction": "A", "reference": "A"}\n')
    assert read_predictions(str(path)).table["prediction"].to_list() == [None, "A"]


def test_columns_to_slice_by_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"id": 1, "score": 1, "level": 2, "a b.c": true, "more": []}\n{"id": 2, "score": 0}\n')
    table = read_predictions(path, Selection(columns=("level", "a b.c"))).table
    assert table["level"].to_list() == ["2", None]
    assert table["a b.c"].to_list() == ["true", None]
    assert "more" not in table.columns


def test_packed_and_marked_files(tmp_path: Path) -> None:
    line = b'\xef\xbb\xbf{"id": "1", "score": 0.5}\r\n'
    (tmp_path / "plain.jsonl").write_bytes(line)
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(line))
    assert rows_of(tmp_path / "plain.jsonl") == rows_of(tmp_path / "packed.jsonl.gz")
    assert read_predictions(tmp_path / "packed.jsonl.gz").name == "packed"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no samples"),
        ("{}\n", "no column id, and none renamed to it; there is none"),
        ('{"id": "1", "prediction": "A"}\n{"id": "1"', "f.jsonl:2: not JSON"),
        ("[1]\n", "f.jsonl: Expected object, got int"),
        ('{"id": "1", "predicton": "A"}\n', "there is id, predicton; name it with column prediction=predicton"),
        ('{"id": "1", "score": NaN}\n', "f.jsonl:1: NaN is not JSON; write null"),
        ('{"id": "1", "score": 1e999}\n', "f.jsonl:1: score: Number out of range"),
        ('{"id": "1", "score": "high"}\n', "f.jsonl:1: score: Expected float | null, got str"),
        ('{"id": [1], "score": 1}\n', "f.jsonl:1: id: Expected"),
        (
            '{"id": "1", "score": 1}\n{"id": "1", "score": 1}\n',
            "2 rows share an id (such as '1'; rows 1 and 2 are '1')",
        ),
        ('{"header": {"name": 3}}\n', "f.jsonl:1: header: name"),
        ("[" * 5000, "f.jsonl: Expected object, got array"),
        (
            '{"id": "1", "correct": true, "choice_texts": "a"}\n',
            "f.jsonl:1: choice_texts: Expected array | null, got str",
        ),
        (
            '{"id": "1", "correct": true, "choice_texts": [null]}\n',
            "f.jsonl:1: choice_texts[0]: Expected str, got null",
        ),
        ('{"id": "1", "correct": true, "output_tokens": 1.5}\n', "row 1: output_tokens: 1.5 is not a count"),
        (
            '{"id": "1", "correct": true, "choices": 3, "choice_texts": ["a", "b"]}\n',
            "choices and choice_texts differ in number (row 1, id '1')",
        ),
        (
            '{"id": "1", "correct": true, "choice_texts": ["a", "b"], "loglikelihoods": [-1]}\n',
            "choice_texts and loglikelihoods differ in number (row 1, id '1')",
        ),
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
    with pytest.raises(DataError, match="f.jsonl:1: not UTF-8"):
        read_predictions(path)


def test_a_cut_off_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "1", "score": 0.5}\n' * 1000)[:-20])
    with pytest.raises(DataError, match="damaged or cut off"):
        read_predictions(path)


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DataError, match=r"the score is not a finite number \(row 2, id 'b'\)"):
        PredictionSet.from_rows(Header(name="x"), [{"id": "a", "score": 1}, {"id": "b", "score": float("inf")}])
    row = {"id": "a", "correct": True, "loglikelihoods": [-1.0, float("-inf")]}
    with pytest.raises(DataError, match=r"loglikelihoods: not all are finite numbers \(row 1, id 'a'\)"):
        PredictionSet.from_rows(Header(name="x"), [row])
    with pytest.raises(DataError, match="row 1: loglikelihoods: int too large"):
        PredictionSet.from_rows(Header(name="x"), [{**row, "loglikelihoods": [10**400]}])
    with pytest.raises(DataError, match="row 1: loglikelihoods: log-likelihood 1 is missing"):
        PredictionSet.from_rows(Header(name="x"), [{**row, "loglikelihoods": [-1.0, None]}])
    with pytest.raises(DataError, match="row 1: score: 'high' is not a number"):
        PredictionSet.from_rows(Header(name="x"), [{"id": "a", "score": "high"}])
