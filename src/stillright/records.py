"""PredictionSet: a table with one row per sample, and a header on how the rows were made.

Knows the columns and what makes a row valid; knows neither the formats of other tools nor metrics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from pathlib import Path
from types import NoneType
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, field_validator

from stillright import bounds
from stillright.errors import DataError, spelled
from stillright.values import READERS, as_text

Kind = Literal["discrete", "continuous"]
Row = Mapping[str, Any]  # values by the names in TYPES, and by those of columns to slice by
Column = Sequence[Any] | pl.Series  # a value per row

COLUMNS: dict[str, Any] = {
    "id": pl.String,
    "prediction": pl.String,  # the answer that is right or wrong
    "reference": pl.List(pl.String),  # the right answers, usually one
    "correct": pl.Boolean,  # takes precedence over prediction = reference
    "score": pl.Float64,  # S(output, reference); higher is better unless the header says otherwise
    "prompt": pl.String,
    "asked": pl.String,  # what a sample asks, however it is put and wherever it stands: a document's hash
    "output": pl.String,  # the text a model wrote; prediction may be part of it
    "choices": pl.Int64,  # how many answers there were to choose from
    "margin": pl.Float64,  # of choices: how far the best right one is ahead of the best other, as the metric ranks them
}
DETAILS: dict[str, Any] = {  # columns that a table has only where any row has a value, since most files have none
    "choice_texts": pl.List(pl.String),  # of each choice, by its number
    "loglikelihoods": pl.List(pl.Float64),  # of each choice after the prompt, by its number: sums over tokens, in nats
    "output_tokens": pl.Int64,  # how many the model wrote, as its own tokenizer cuts them
}
TYPES = COLUMNS | DETAILS
OF_CHOICES = ("choice_texts", "loglikelihoods")
LISTS = {"reference": "right answers", "choice_texts": "choices", "loglikelihoods": "log-likelihoods"}  # of a sample
TASK = "task"  # the further column that names each sample's task, in a set of several tasks
ANSWERS = ("prediction", "correct", "score", "output")  # a table needs at least one
PLAIN: dict[Any, type] = {pl.String: str, pl.Float64: float, pl.Boolean: bool}  # whose values need no conversion
EXAMPLES = 5  # ids named in an error


class Header(BaseModel):
    """How a PredictionSet was made; None if unknown."""

    model_config = ConfigDict(frozen=True)

    name: str
    task: str | None = None
    metric: str | None = None
    filter: str | None = None
    kind: Kind | None = None
    lower_is_better: bool | None = False  # of scores; None: nothing says so, higher is taken to be
    settings: dict[str, Any] = {}  # must agree if two sets are compared: task version, shots, generation settings
    source: dict[str, Any] = {}  # may differ: model, dtype, versions of tools

    # names may come from those of files, which need not be UTF-8
    _whole = field_validator("name", "task", "metric", "filter", mode="before")(lambda value: _whole(value))


@dataclass(frozen=True)
class PredictionSet:
    """The answers of one model to one task.

    table: all of COLUMNS, null if unknown, those of DETAILS that are known, then text columns to slice by. Ids are
    unique; a row without prediction, verdict and score is unscored. guessed: the kind is discrete only because all
    values of a metric are 0 or 1; they are scores if another file of the metric has other values. file: what it was
    read from; None if made in memory.
    """

    header: Header
    table: pl.DataFrame
    guessed: bool = False
    file: Path | None = None

    @property
    def name(self) -> str:
        """What reports call this model."""
        return self.header.name

    @property
    def kind(self) -> Kind:
        """The header's kind; without one, continuous if rows have scores but neither predictions nor verdicts."""
        if self.header.kind is not None:
            return self.header.kind
        known = filled(self.table)
        return "continuous" if "score" in known and known.isdisjoint(("prediction", "correct")) else "discrete"

    def of_task(self, task: str) -> PredictionSet:
        """The same answers, as those to `task`."""
        return replace(self, header=self.header.model_copy(update={"task": task}))

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


def filled(table: pl.DataFrame) -> set[str]:
    """The names of the columns in which any row has a value."""
    return {column.name for column in table if column.null_count() < len(column)}


def table_of(columns: Mapping[str, Column], place: str, before: int = 0) -> pl.DataFrame:
    """The typed table of `columns`, each with one value per row. Raises DataError for a value of the wrong type.

    before: how many rows of the same file come before these.
    """
    n = len(next(iter(columns.values()), ()))
    names = dict.fromkeys((*TYPES, *columns))
    made = [_column(name, columns.get(name), n, place, before) for name in names]
    return pl.DataFrame([each for each in made if each.name not in DETAILS or each.null_count() < n])


def joined_table(parts: Iterable[Mapping[str, Column]], place: str, most: int) -> pl.DataFrame:
    """The table of columns whose rows, `most` at most, come part by part.

    Raises DataError for a value of the wrong type, and for too many rows, right answers or choices.
    """
    tables: list[pl.DataFrame] = []
    rows, listed = 0, Counter[str]()
    for columns in parts:
        table = table_of(columns, place, rows)
        rows += len(table)
        bounds.refuse_rows(rows, most, place)
        for name in LISTS.keys() & set(table.columns):
            lengths, what = pl.col(name).list.len(), LISTS[name]
            _refuse_any(table, {f"more than {bounds.ANSWERS:,} {what}": lengths > bounds.ANSWERS}, place)
            listed[name] += table.select(lengths.sum()).item()
            if listed[name] > bounds.ALL_ANSWERS:
                raise DataError(f"{place}: more than {bounds.ALL_ANSWERS:,} {what} up to row {rows:,}")
        tables.append(table)
    return _concatenated(tables) if tables else table_of({}, place)


def _concatenated(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """One table of all rows, in one piece, since operations on many pieces are slow."""
    held, n = set[str]().union(*map(filled, tables)), sum(map(len, tables))
    found = dict.fromkeys(name for table in tables for name in table.columns)
    names = [name for name in dict.fromkeys((*TYPES, *found)) if name in found]
    kept = ([name for name in names if name in held and name in table.columns] for table in tables)
    parts = [table.select(each) for table, each in zip(tables, kept, strict=True)]
    whole = pl.concat(parts, how="diagonal", rechunk=True)
    return pl.DataFrame([whole[name] if name in held else nulls(name, n) for name in names])


def nulls(name: str, n: int) -> pl.Series:
    """A column of a PredictionSet's table in which nothing is known."""
    return pl.Series(name, [None], dtype=TYPES.get(name, pl.String)).new_from_index(0, n)


def _column(name: str, values: Column | None, n: int, place: str, before: int) -> pl.Series:
    try:
        return _series(name, values, n, place, before)
    except UnicodeEncodeError:
        return _series(name, list(map(_whole, values or ())), n, place, before)


def _whole(value: Any) -> Any:
    """`value` with "?" for each half of a surrogate pair, which stands for no character and cannot be written."""
    if isinstance(value, list | tuple):
        return list(map(_whole, value))
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def _series(name: str, values: Column | None, n: int, place: str, before: int) -> pl.Series:
    dtype = TYPES.get(name, pl.String)
    if isinstance(values, pl.Series):
        if values.dtype == dtype:
            return values.alias(name)
        if name == "reference" and values.dtype == pl.String:
            return _one_each(name, values)
        values = (_widened(values) if values.dtype == pl.Float32 else values).to_list()
    kinds = set(map(type, values or ()))
    if values is None or kinds <= {NoneType}:
        return nulls(name, n)
    if name == "reference" and kinds <= {str, NoneType}:  # one right answer each: nested lists are slow to build
        return _one_each(name, pl.Series(values, dtype=pl.String))
    if not kinds <= {PLAIN.get(dtype), NoneType} and not (name in LISTS and _are_plain_lists(values, dtype.inner)):
        values = _typed(name, values, place, before)
    return _lists(name, values, dtype.inner) if name in LISTS else pl.Series(name, values, dtype=dtype)


def _are_plain_lists(values: Sequence[Any], inner: Any) -> bool:
    """Whether all are lists, none of them empty, of values that need no conversion."""
    return set(map(type, values)) == {list} and all(values) and set(map(type, chain(*values))) == {PLAIN.get(inner)}


def _lists(name: str, values: Sequence[Any], inner: Any) -> pl.Series:
    """Lists, or nulls, made of one flat column: Polars alone would make a column of each list."""
    flat = [value for each in values for value in each or ()]
    lengths = {None if each is None else len(each) for each in values}
    if len(lengths) == 1 and flat:  # as many choices everywhere
        return pl.Series(name, flat, dtype=inner).reshape((len(values), len(values[0]))).arr.to_list()
    rows = [i for i, each in enumerate(values) for _ in each or ()]
    filled_lists = pl.DataFrame({"row": rows, name: flat}, schema={"row": pl.Int64, name: inner})
    known = pl.DataFrame({"row": range(len(values)), "known": [each is not None for each in values]})
    table = known.join(filled_lists.group_by("row").agg(name), on="row", how="left", maintain_order="left")
    empty = pl.lit([], pl.List(inner))
    return table.select(pl.when("known").then(pl.col(name).fill_null(empty))).to_series().alias(name)


def _one_each(name: str, texts: pl.Series) -> pl.Series:
    """Lists of one text each; null where there is none."""
    table = texts.alias(name).to_frame()
    return table.select(pl.when(pl.col(name).is_not_null()).then(pl.concat_list(name))).to_series()


def _widened(values: pl.Series) -> pl.Series:
    """Numbers of single precision as they are written, 0.1 and not 0.10000000149011612, so as in any other file."""
    return values.cast(pl.String).cast(pl.Float64)


def _typed(name: str, values: Sequence[Any], place: str, before: int) -> list[Any]:
    read = READERS.get(name, as_text)
    typed = []
    try:
        for value in values:
            typed.append(value if read is as_text and type(value) is str else read(value))
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{place}: row {before + len(typed) + 1}: {name}: {error}") from None
    return typed


def _refuse_invalid(table: pl.DataFrame, place: str) -> None:
    if table.is_empty():
        raise DataError(f"{place}: no samples; at least one row is needed")
    _refuse_any(table, dict(_invalid(table)), place)
    if filled(table).isdisjoint(ANSWERS):
        what = "no row has a prediction, correct, score or output"
        raise DataError(f"{place}: {what}; name one with {renaming('prediction', 'THEIRS')}")
    ids = table["id"]
    if ids.hash().n_unique() < len(ids) and ids.n_unique() < len(ids):  # hashes are several times as fast
        repeated = ids.filter(ids.is_duplicated())
        named = ", ".join(repr(sample) for sample in repeated.unique(maintain_order=True)[:EXAMPLES])
        first, second = ((ids == repeated[0]).arg_true() + 1)[:2]
        where = f"(such as {named}; rows {first} and {second} are {repeated[0]!r})"
        raise DataError(f"{place}: {len(repeated)} rows share an id {where}; ids must be unique")


def _invalid(table: pl.DataFrame) -> Iterator[tuple[str, pl.Expr]]:
    """What may be wrong with a row, and when it is."""
    yield "no id; every row needs one", pl.col("id").is_null() | (pl.col("id") == "")
    for name in ("score", "margin"):
        number = pl.col(name)
        yield f"the {name} is not a finite number", number.is_nan() | number.is_infinite()
    lists = [name for name in OF_CHOICES if name in table.columns]
    counts = {"choices": pl.col("choices"), **{name: pl.col(name).list.len() for name in lists}}
    for first, second in combinations(counts, 2):
        yield f"{first} and {second} differ in number", counts[first] != counts[second]
    if "loglikelihoods" in lists:
        odd = pl.col("loglikelihoods").list.eval(~pl.element().is_finite()).list.any()
        yield "loglikelihoods: not all are finite numbers", odd
    for name in [name for name, dtype in table.schema.items() if dtype == pl.String]:
        is_long = pl.col(name).str.len_bytes() > bounds.TEXT_BYTES
        yield f"{name}: a text of more than {bounds.TEXT_BYTES:,} bytes", is_long


def _refuse_two_answers(table: pl.DataFrame, place: str) -> None:
    """Raises DataError if it is unclear which counts: prediction = reference, or the score."""
    known = filled(table)
    if {"prediction", "score"} <= known and "correct" not in known:
        raise DataError(
            f"{place}: rows have both predictions and scores, and it is unclear which count; to compare scores, read "
            f"the texts as outputs ({renaming('output', 'prediction')}); to compare answers, leave the column score out"
        )


def renaming(ours: str, theirs: str) -> str:
    """How a user says that a column of theirs holds what ours does."""
    return spelled(command=f"--column {ours}={theirs}", python=f"column {ours}={theirs}")


def _refuse_any(table: pl.DataFrame, rules: Mapping[str, pl.Expr], place: str) -> None:
    """Raises DataError with the first message whose rule holds for any row, and the first such row."""
    broken = table.select(rule.any().alias(message) for message, rule in rules.items()).row(0, named=True)
    for message in [message for message, is_broken in broken.items() if is_broken]:
        row = table.select(pl.arg_where(rules[message])).to_series()[0]
        raise DataError(f"{place}: {message} (row {row + 1}, id {table['id'][row]!r})")
