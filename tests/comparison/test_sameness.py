"""One answer written in several ways is one answer, in every format; a list of answers is told from one answer."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pandas
import polars as pl
import pytest

from stillright.comparison import Comparison, compare
from stillright.errors import DataError

Rows = list[dict[str, Any]]
Form = Literal["NFC", "NFD"]


def as_csv(path: Path, rows: Rows) -> Path:
    pandas.DataFrame(rows).to_csv(path.with_suffix(".csv"), index=False)
    return path.with_suffix(".csv")


def as_jsonl(path: Path, rows: Rows) -> Path:
    path.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path.with_suffix(".jsonl")


def as_json(path: Path, rows: Rows) -> Path:
    path.with_suffix(".json").write_text(json.dumps(rows))
    return path.with_suffix(".json")


def as_parquet(path: Path, rows: Rows) -> Path:
    pl.DataFrame(rows, strict=False).write_parquet(path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


WRITERS: list[Callable[[Path, Rows], Any]] = [
    as_csv,
    as_jsonl,
    as_json,
    as_parquet,
    lambda path, rows: pl.DataFrame(rows, strict=False),
    lambda path, rows: pandas.DataFrame(rows),
]


@pytest.fixture(params=WRITERS, ids=["csv", "jsonl", "json", "parquet", "polars", "pandas"])
def compared(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Rows, Rows], Comparison]:
    """Two lists of rows, written in a format and compared."""
    return lambda old, new: compare(
        request.param(tmp_path / "old", old), request.param(tmp_path / "new", new), allow=["identical"]
    )


def answers(*pairs: tuple[Any, Any]) -> Rows:
    return [{"id": i, "prediction": given, "reference": right} for i, (given, right) in enumerate(pairs)]


def test_a_column_of_numbers_with_a_gap(compared: Callable[[Rows, Rows], Comparison]) -> None:
    # whole numbers beside a missing one are floats for pandas, which writes them as 1.0
    found = compared(answers((1.0, 1), (2.0, 2), (0.0, 0), (None, 2)), answers((1, 1), (0, 2), (0, 0), (2, 2)))
    assert (found.n, found.unscored, found.old.score) == (3, 1, 1.0)
    assert (found.comparison.regression, found.comparison.gain) == (1, 0)


def test_booleans_in_either_case(compared: Callable[[Rows, Rows], Comparison]) -> None:
    found = compared(answers((True, "true"), (False, "False")), answers(("True", "true"), ("TRUE", "False")))
    assert (found.old.score, found.comparison.regression) == (1.0, 1)


def test_fractions_in_single_precision() -> None:
    single = pl.Series([0.1, 0.3], dtype=pl.Float32)
    old = pl.DataFrame({"id": [1, 2], "prediction": single, "reference": ["0.1", "0.30"]})
    assert compare(old, old.with_columns(prediction=pl.Series(["0.1", ".3"]))).comparison.both_right == 2
    scores = pl.DataFrame({"id": [1, 2], "score": single})
    assert compare(scores, scores.with_columns(score=pl.Series([0.1, 0.3]))).comparison.unchanged == 2


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_unicode_forms(compared: Callable[[Rows, Rows], Comparison], form: Form) -> None:
    def formed(name: Form, rows: Rows) -> Rows:
        return [{key: unicodedata.normalize(name, value) for key, value in row.items()} for row in rows]

    rows = [
        {"id": "señor", "prediction": "café", "reference": "café", "prompt": "Où?"},
        {"id": "b", "prediction": "né", "reference": "là", "prompt": "Où?"},
    ]
    found = compared(formed("NFC", rows), formed(form, rows))
    assert (found.n, found.comparison.both_right, found.comparison.both_wrong) == (2, 1, 1)
    assert found.comparison.nfr_mc.value == 0  # the mistake is the same


def test_different_answers_stay_different(compared: Callable[[Rows, Rows], Comparison]) -> None:
    pairs = [("x2", "x²"), ("yes", "Yes"), ("12345678901234567891", "12345678901234567892"), ("A-1", "A1")]
    assert compared(answers(*pairs), answers(*pairs)).comparison.both_wrong == 4


def test_a_code_is_no_number(tmp_path: Path) -> None:
    rows = answers(("007", "7"), ("1_0", "10"))
    assert (
        compare(
            as_jsonl(tmp_path / "a", rows), as_jsonl(tmp_path / "b", rows), allow=["identical"]
        ).comparison.both_wrong
        == 2
    )


def test_a_quoted_list_is_several_answers(compared: Callable[[Rows, Rows], Comparison]) -> None:
    lists = ['["red", "blue"]', "['red', 'blue']"]
    old = answers(*[("red", cell) for cell in lists])
    new = answers(("blue", lists[0]), ("green", lists[1]))
    found = compared(old, new).comparison
    assert (found.both_right, found.regression) == (1, 1)
    assert (found.nfr_mc.value, found.answer_changed.value) == (0.5, 0.5)


def test_a_prediction_that_is_the_whole_cell_is_right(compared: Callable[[Rows, Rows], Comparison]) -> None:
    cells = ["[0, 1]", '["red", "blue"]', "['x', 'y']", "[Paris]"]
    wrong = answers(*[("green", cell) for cell in cells])
    found = compared(answers(*[(cell, cell) for cell in cells]), wrong)
    assert (found.old.score, found.new.score, found.comparison.regression) == (1.0, 0.0, 4)


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [("1", "[1, 2]"), ("a", "['a' 'b']"), ("Paris", "[Paris, London]"), ("2.0", "[1 2]")],
)
def test_where_it_matters_what_brackets_mean_it_is_asked(
    compared: Callable[[Rows, Rows], Comparison], prediction: str, reference: str
) -> None:
    rows = answers(("x", "y"), (prediction, reference))
    with pytest.raises(DataError, match="row 2: prediction .* is one of those in reference") as caught:
        compared(rows, rows)
    assert "\n" not in str(caught.value)
    said = [{**row, "correct": False} for row in rows]
    assert compared(said, said).comparison.both_wrong == 2


def test_half_a_surrogate_pair_in_a_list(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,prediction,reference\n1,a,"[""a"", ""\\ud800""]"\n')
    assert compare(path, path, allow=["identical"]).comparison.both_right == 1


def test_a_list_stays_a_list() -> None:
    old = pl.DataFrame({"id": [1], "prediction": ["1"], "reference": [[1, 2]]})
    assert compare(old, old, allow=["identical"]).comparison.both_right == 1
