"""Tables of any origin, and our own files: what is written is read back, and cells are read strictly."""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stillright.errors import DataError
from stillright.importers import Selection, read_frame, read_predictions, write_predictions
from stillright.records import Header, PredictionSet

CSV = """\
id,prediction,reference,correct,output,subject
1,B,B,true,"It is B, I think",law
2,C,"[""A"", ""B""]",no,,art
3,,B,,,law
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_csv(tmp_path: Path) -> None:
    predictions = read_predictions(write(tmp_path / "mine.csv", CSV), Selection(task="t", columns=("subject",)))
    assert (predictions.name, predictions.header.task, predictions.kind) == ("mine", "t", "discrete")
    assert predictions.table.select("id", "prediction", "reference", "correct", "output", "subject").rows() == [
        ("1", "B", ["B"], True, "It is B, I think", "law"),
        ("2", "C", ["A", "B"], False, "", "art"),
        ("3", None, ["B"], None, "", "law"),
    ]


def test_tsv_and_packed(tmp_path: Path) -> None:
    tabs = write(
        tmp_path / "a.tsv", CSV.replace("It is B, I think", "It is B").replace('"[""A"", ""B""]"', "B")
    ).read_text()
    tabs = tabs.replace(",", "\t")
    packed = tmp_path / "b.tsv.gz"
    packed.write_bytes(gzip.compress(("\ufeff" + tabs).encode()))
    plain = read_predictions(write(tmp_path / "a.tsv", tabs))
    assert plain.table.equals(read_predictions(packed).table)
    assert read_predictions(packed).name == "b"


@pytest.mark.parametrize(
    ("cell", "value"),
    [("true", True), ("False", False), ("1", True), ("0.0", False), (" yes ", True), ("NO", False), ("", None)],
)
def test_flags(tmp_path: Path, cell: str, value: bool | None) -> None:
    path = write(tmp_path / "f.csv", f"id,correct\na,{cell}\n")
    assert read_predictions(path).table["correct"].to_list() == [value]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.csv: no samples; the first line must name the columns"),
        ("id,score\n", "f.csv: no samples; at least one row"),
        ("question,score\na,1\n", "f.csv: no column id, and none renamed to it; there is question, score"),
        ("id,answer\na,1\n", "no column prediction or correct or score or output"),
        ("ID,score\na,1\n", "there is ID, score; name it with column id=ID"),
        ("id;score\na;1\n", "f.csv:1: the delimiter looks like ';'; write the file with ',' between cells"),
        ('"id"\t"score"\na\t1\n', "f.csv:1: the delimiter looks like '\\t'"),
        ("id,id,score\na,b,1\n", "several columns are called id"),
        ("id,score\na,1\nb\n", "f.csv:3: 1 cells, but 2 columns"),
        ("id,score\na,1\nb,1,2\n", "f.csv:3: 3 cells, but 2 columns"),
        ("id,score\na,high\n", "f.csv:2: score: 'high' is not a number"),
        ("id,score\na,1_0\n", "f.csv:2: score: '1_0' is not a number"),
        ("id,score\na,0.5\nb,inf\n", "f.csv: the score is not a finite number (row 2, id 'b')"),
        ("id,score\na,nan\n", "f.csv: the score is not a finite number (row 1, id 'a')"),
        ("id,correct\na,maybe\n", "f.csv:2: correct: 'maybe' is not one of true, yes, 1"),
        ("id,prediction,choices\na,b,2.5\n", "f.csv:2: choices: '2.5' is not a whole number"),
        ("id,prediction,choices\na,b,99999999999999999999\n", "f.csv: row 1: choices:"),
        ("id,score\na,1\na,2\n", "f.csv: 2 rows share an id (such as 'a'; rows 1 and 2 are 'a')"),
        ("id,score\n,1\n", "f.csv: no id"),
        ('id,output\na,"cut', "f.csv:2: damaged or cut off"),
    ],
)
def test_malformed_csv(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_predictions(write(tmp_path / "f.csv", text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes("id,output\na,b\nc,ü\n".encode("latin-1"))
    with pytest.raises(DataError, match="f.csv: not UTF-8"):
        read_predictions(path)


def test_a_cut_gzip(tmp_path: Path) -> None:
    path = tmp_path / "f.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode())[:-20])
    with pytest.raises(DataError, match="f.csv.gz: damaged or cut off"):
        read_predictions(path)


def test_a_million_characters(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", f"id,output\na,{'x' * 10**6}\n")
    assert len(read_predictions(path).table["output"][0]) == 10**6


def test_renamed_columns(tmp_path: Path) -> None:
    rename = {"id": "question_id", "prediction": "answer", "reference": "gold"}
    rows = [
        {"question_id": 7, "answer": "B", "gold": ["A", "B"], "level": 1},
        {"question_id": 8, "answer": "C", "gold": "A"},
    ]
    selection = Selection(columns=("level",), rename=rename)
    lines = write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    whole = write(tmp_path / "b.json", json.dumps(rows, indent=1))
    expected = [("7", "B", ["A", "B"], "1"), ("8", "C", ["A"], None)]
    for path in (lines, whole):
        table = read_predictions(path, selection).table
        assert table.select("id", "prediction", "reference", "level").rows() == expected


def test_predictions_beside_scores_must_say_which_counts(tmp_path: Path) -> None:
    rows = [{"id": i, "prediction": "a text", "reference": "a sentence", "score": 0.5} for i in range(2)]
    path = write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"it is unclear which count; .* \(column output=prediction\)"):
        read_predictions(path)
    scored = read_predictions(path, Selection(rename={"output": "prediction"}))
    assert (scored.kind, scored.table["output"].to_list()) == ("continuous", ["a text", "a text"])
    judged = write(tmp_path / "b.jsonl", "".join(json.dumps({**row, "correct": True}) + "\n" for row in rows))
    assert read_predictions(judged).kind == "discrete"


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_nan_of_python_is_missing_in_a_table(tmp_path: Path, name: str) -> None:
    rows = [{"key": 1, "prediction": math.nan, "reference": "A"}, {"key": 2, "prediction": "NaN", "reference": "A"}]
    text = json.dumps(rows) if name == "a.json" else "".join(json.dumps(row) + "\n" for row in rows)
    table = read_predictions(write(tmp_path / name, text), Selection(rename={"id": "key"})).table
    assert table["prediction"].to_list() == [None, "NaN"]


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        ({"id": "number"}, "no column 'number'; there is id, answer"),
        ({"name": "id"}, "nothing can be renamed to 'name'; our columns are id, prediction"),
    ],
)
def test_what_cannot_be_renamed(tmp_path: Path, rename: dict[str, str], message: str) -> None:
    path = write(tmp_path / "a.jsonl", '{"id": 1, "answer": "x"}\n')
    with pytest.raises(DataError, match=message):
        read_predictions(path, Selection(rename=rename))


OWN = PredictionSet.from_rows(
    Header(name="old", task="t", metric="acc", kind="discrete", settings={"shots": 5}),
    [
        {"id": "1", "prediction": "A", "reference": ["A", "B"], "correct": True, "choices": 4, "subject": "law"},
        {"id": "ü", "output": "x\ny", "score": 0.25, "prompt": "?"},
    ],
)


def test_own_jsonl_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "old.jsonl"
    write_predictions(OWN, path)
    again = read_predictions(path, Selection(columns=("subject",)))
    assert again.header == OWN.header
    assert again.table.equals(OWN.table)


def test_own_files_are_of_one_task(tmp_path: Path) -> None:
    write_predictions(OWN, tmp_path / "old.jsonl")
    with pytest.raises(DataError, match="no task 'u'; there is t"):
        read_predictions(tmp_path / "old.jsonl", Selection(task="u"))


def frame() -> pl.DataFrame:
    return pl.DataFrame(
        {"key": [1, 2], "answer": ["B", "C"], "gold": [["A", "B"], ["A"]], "right": [True, None], "level": [3, 4]}
    )


SELECTION = Selection(
    columns=("level",), rename={"id": "key", "prediction": "answer", "reference": "gold", "correct": "right"}
)
ROWS = [("1", "B", ["A", "B"], True, "3"), ("2", "C", ["A"], None, "4")]
NAMES = ("id", "prediction", "reference", "correct", "level")


def test_foreign_parquet(tmp_path: Path) -> None:
    frame().write_parquet(tmp_path / "x.parquet")
    predictions = read_predictions(tmp_path / "x.parquet", SELECTION)
    assert predictions.name == "x"
    assert predictions.table.select(NAMES).rows() == ROWS


def test_polars_frames() -> None:
    assert read_frame(frame(), "x", SELECTION).table.select(NAMES).rows() == ROWS


def test_pandas_frames() -> None:
    pandas = pytest.importorskip("pandas")
    columns: dict[str, Any] = frame().to_dict(as_series=False)
    predictions = read_frame(pandas.DataFrame(columns | {"score": [0.5, math.nan]}), "x", SELECTION)
    assert predictions.table.select(NAMES).rows() == ROWS
    assert predictions.table["score"].to_list() == [0.5, None]


def test_numbers_as_names_of_columns() -> None:
    pandas = pytest.importorskip("pandas")
    unnamed = pandas.DataFrame([["a", 1.0]])
    predictions = read_frame(unnamed, "x", Selection(rename={"id": "0", "score": "1"}))
    assert predictions.table.select("id", "score").rows() == [("a", 1.0)]


def test_a_frame_is_one_result() -> None:
    with pytest.raises(DataError, match="x: does not record a run, so run=2 cannot apply"):
        read_frame(frame(), "x", replace(SELECTION, run=2))


def test_what_is_no_frame() -> None:
    with pytest.raises(DataError, match="x: no column id"):
        read_frame([1, 2], "x")


def test_types_of_a_frame_are_kept() -> None:
    wrong = pl.DataFrame({"id": ["a", "b"], "score": [1.0, math.nan]})
    with pytest.raises(DataError, match=r"x: the score is not a finite number \(row 2, id 'b'\)"):
        read_frame(wrong, "x")
    with pytest.raises(DataError, match="x: row 1: score: 'high' is not a number"):
        read_frame(pl.DataFrame({"id": ["a"], "score": ["high"]}), "x")
