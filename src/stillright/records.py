"""PredictionSet: a table with one row per sample, and a header on how the rows were made.

Knows the columns and what makes a row valid; knows neither the formats of other tools nor metrics.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from stillright.errors import DataError

Kind = Literal["discrete", "continuous"]
Row = Mapping[str, Any]  # values by the names in COLUMNS, and by those of columns to slice by

COLUMNS: dict[str, Any] = {
    "id": pl.String,
    "prediction": pl.String,  # the answer that is right or wrong
    "reference": pl.List(pl.String),  # the right answers, usually one
    "correct": pl.Boolean,  # takes precedence over prediction = reference
    "score": pl.Float64,  # S(output, reference), higher is better
    "prompt": pl.String,
    "output": pl.String,  # the text a model wrote; prediction may be part of it
    "choices": pl.Int64,  # how many answers there were to choose from
}
ANSWERS = ("prediction", "correct", "score", "output")  # a table needs at least one
PLAIN: dict[Any, set[type]] = {  # Python types that need no conversion
    pl.String: {str, NoneType},
    pl.Float64: {float, NoneType},
    pl.Boolean: {bool, NoneType},
}
EXAMPLES = 5  # ids named in an error


class Header(BaseModel):
    """How a PredictionSet was made; None if unknown."""

    model_config = ConfigDict(frozen=True)

    name: str
    task: str | None = None
    metric: str | None = None
    filter: str | None = None
    kind: Kind | None = None
    settings: dict[str, Any] = {}  # must agree if two sets are compared: task version, shots, generation settings
    source: dict[str, Any] = {}  # may differ: model, dtype, versions of tools


def parse_header(values: Mapping[str, Any], place: str) -> Header:
    """The header that `values` describe. Raises DataError naming `place`."""
    try:
        return Header.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{place}: header: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


@dataclass(frozen=True)
class PredictionSet:
    """The answers of one model to one task.

    table: all of COLUMNS, null if unknown, then text columns to slice by. Ids are unique; a row without prediction,
    verdict and score is unscored. guessed: the kind is discrete only because all values of a metric are 0 or 1; they
    are scores if another file of the metric has other values.
    """

    header: Header
    table: pl.DataFrame
    guessed: bool = False

    @property
    def name(self) -> str:
        """What reports call this model."""
        return self.header.name

    @property
    def kind(self) -> Kind:
        """The header's kind; without one, continuous if rows have scores but neither predictions nor verdicts."""
        if self.header.kind is not None:
            return self.header.kind
        scored = self.table["score"].null_count() < len(self.table)
        judged = any(self.table[name].null_count() < len(self.table) for name in ("prediction", "correct"))
        return "continuous" if scored and not judged else "discrete"

    @classmethod
    def checked(cls, header: Header, table: pl.DataFrame, place: str = "") -> PredictionSet:
        """The set of a table made by `table_of`. Raises DataError naming `place` and the first invalid row."""
        _refuse_invalid(table, place or header.name)
        if header.kind is None:
            _refuse_two_answers(table, place or header.name)
        return cls(header, table)

    @classmethod
    def from_rows(cls, header: Header, rows: Iterable[Row], place: str = "") -> PredictionSet:
        """The set of `rows`. Raises DataError naming `place` and the first invalid value or row."""
        listed = list(rows)
        names = dict.fromkeys(name for row in listed for name in row)
        columns = {name: [row.get(name) for row in listed] for name in names}
        return cls.checked(header, table_of(columns, place or header.name), place)


def table_of(columns: Mapping[str, Sequence[Any]], place: str) -> pl.DataFrame:
    """The typed table of `columns`, each with one value per row. Raises DataError for a value of the wrong type."""
    n = len(next(iter(columns.values()), ()))
    names = dict.fromkeys((*COLUMNS, *columns))
    return pl.DataFrame([_series(name, columns.get(name), n, place) for name in names])


def _series(name: str, values: Sequence[Any] | None, n: int, place: str) -> pl.Series:
    dtype = COLUMNS.get(name, pl.String)
    kinds = set(map(type, values or ()))
    if values is None or kinds <= {NoneType}:
        return pl.Series(name, [None], dtype=dtype).new_from_index(0, n)
    if name == "reference" and kinds <= {str, NoneType}:  # one right answer each: nested lists are slow to build
        return _each_in_a_list(pl.Series(name, values, dtype=pl.String))
    as_they_are = PLAIN.get(dtype)
    if as_they_are is None or not kinds <= as_they_are:
        values = _typed(name, values, place)
    return pl.Series(name, values, dtype=dtype)


def _each_in_a_list(values: pl.Series) -> pl.Series:
    column = pl.col(values.name)
    return values.to_frame().select(pl.when(column.is_not_null()).then(pl.concat_list(column))).to_series()


def as_text(value: Any) -> str | None:
    """A JSON scalar as text: 3 and 3.0 are "3", true is "true"; a missing value (None, NaN) is None.

    Raises TypeError for anything else.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return None if math.isnan(value) else str(int(value)) if value.is_integer() else repr(value)
    raise TypeError(f"a {type(value).__name__} is not text")


def _as_texts(value: Any) -> list[str] | None:
    if not isinstance(value, list | tuple):
        text = as_text(value)
        return None if text is None else [text]
    return [text for text in map(as_text, value) if text is not None] or None


def _as_number(value: Any) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise TypeError(f"{value!r:.40} is not a number")


def _as_count(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 2**63 or value != int(value):
        raise TypeError(f"{value!r:.40} is not a count")
    return int(value)


def _as_flag(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if value in (0, 1):
        return bool(value)
    raise TypeError(f"{value!r:.40} is neither true nor false")


_READERS = {"reference": _as_texts, "score": _as_number, "choices": _as_count, "correct": _as_flag}


def _typed(name: str, values: Sequence[Any], place: str) -> list[Any]:
    read = _READERS.get(name, as_text)
    typed = []
    try:
        for value in values:
            typed.append(value if read is as_text and type(value) is str else read(value))
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{place}: row {len(typed) + 1}: {name}: {error}") from None
    return typed


def _refuse_invalid(table: pl.DataFrame, place: str) -> None:
    if table.is_empty():
        raise DataError(f"{place}: no samples; at least one row is needed")
    _refuse_rows(table, pl.col("id").is_null() | (pl.col("id") == ""), f"{place}: no id; every row needs one")
    score = pl.col("score")
    _refuse_rows(table, score.is_nan() | score.is_infinite(), f"{place}: the score is not a finite number")
    if all(table[name].null_count() == len(table) for name in ANSWERS):
        raise DataError(
            f"{place}: no row has a prediction, correct, score or output; name one with column prediction=THEIRS"
        )
    ids = table["id"]
    if ids.n_unique() < len(ids):
        repeated = ids.filter(ids.is_duplicated())
        named = ", ".join(repr(sample) for sample in repeated.unique(maintain_order=True)[:EXAMPLES])
        first, second = ((ids == repeated[0]).arg_true() + 1)[:2]
        where = f"rows {first} and {second} are {repeated[0]!r}"
        raise DataError(f"{place}: {len(repeated)} rows share an id (such as {named}; {where}); ids must be unique")


def _refuse_two_answers(table: pl.DataFrame, place: str) -> None:
    """Raises DataError if it is unclear which counts: prediction = reference, or the score."""
    known = {name: table[name].null_count() < len(table) for name in ("prediction", "correct", "score")}
    if known["prediction"] and known["score"] and not known["correct"]:
        raise DataError(
            f"{place}: rows have both predictions and scores, and it is unclear which count; to compare scores, read "
            "the texts as outputs (column output=prediction); to compare answers, leave the column score out"
        )


def _refuse_rows(table: pl.DataFrame, wrong: pl.Expr, message: str) -> None:
    """Raises DataError with `message` and the first row for which `wrong` holds."""
    first = table.with_row_index("_row").filter(wrong).select("_row", "id").row(0) if _any(table, wrong) else None
    if first is not None:
        raise DataError(f"{message} (row {first[0] + 1}, id {first[1]!r})")


def _any(table: pl.DataFrame, condition: pl.Expr) -> bool:
    return bool(table.select(condition.any()).item())
