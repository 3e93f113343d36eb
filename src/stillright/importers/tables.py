"""Columns of any names -> PredictionSet: what all tables share, and two kinds of table, JSON objects and frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from stillright.errors import DataError
from stillright.importers.selection import (
    Selection,
    choose,
    listed,
    no_column,
    refuse_misspelt_reference,
    refuse_unknown,
)
from stillright.jsonl import as_object, read_json, read_objects, without_nan
from stillright.records import ANSWERS, COLUMNS, Header, PredictionSet, table_of


def read_frame(frame: Any, name: str, selection: Selection | None = None) -> PredictionSet:
    """The PredictionSet in a Polars or pandas frame; NaN in a pandas frame counts as missing.

    name: of the model, and of the frame in errors. Raises DataError naming it, and the row.
    """
    selection = selection or Selection()
    names = [str(column) for column in getattr(frame, "columns", ())]
    ours = columns_of(names, selection, name)
    refuse_unknown(selection, dict.fromkeys(("model", "prompt", "run"), ()), name)
    if isinstance(frame, pl.DataFrame):
        return from_table(typed_table(frame, ours, name), name, selection, name)
    if not hasattr(frame, "notna"):
        raise DataError(f"{name}: expected a Polars or pandas frame, not a {type(frame).__name__}")
    plain = frame.astype(object).where(frame.notna(), None).set_axis(names, axis="columns")
    # lists in place of NumPy's arrays, such as several references
    lists = {own: plain[theirs].tolist() for own, theirs in ours.items()}
    columns = {own: [x.tolist() if hasattr(x, "tolist") else x for x in values] for own, values in lists.items()}
    return from_table(table_of(columns, name), name, selection, name)


def read_records(path: Path, selection: Selection) -> PredictionSet:
    """The PredictionSet in a file of JSON objects with keys of any names: one per line, or all in one list.

    Raises DataError naming file and row.
    """
    if path.name.removesuffix(".gz").endswith(".json"):
        values = read_json(path, constant=without_nan)
        listed_values = values if isinstance(values, list) else [values]
        rows = [as_object(value, f"{path}: row {row}") for row, value in enumerate(listed_values, start=1)]
    else:
        rows = [value for _, value in read_objects(path, without_nan)]
    ours = columns_of(list(dict.fromkeys(key for row in rows for key in row)), selection, str(path))
    columns = {own: [row.get(theirs) for row in rows] for own, theirs in ours.items()}
    return from_table(table_of(columns, str(path)), stem(path), selection, str(path))


def columns_of(names: Sequence[str], selection: Selection, place: str) -> dict[str, str]:
    """Our column -> theirs, for all that are to be read.

    Raises DataError if two have the same name, if one asked for is missing, and without an id or any answer.
    """
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{place}: several columns are called {listed([twice])}")
    unknown = [own for own in selection.rename if own not in COLUMNS]
    if unknown:
        raise DataError(f"{place}: nothing can be renamed to {unknown[0]!r}; our columns are {listed(list(COLUMNS))}")
    renamed = {own: choose("column", names, theirs, place) for own, theirs in selection.rename.items()}
    free = set(names) - set(renamed.values())  # there is no prediction if output=prediction was asked for
    ours = {own: renamed.get(own, own) for own in COLUMNS if own in renamed or own in free}
    if "id" not in ours or not any(own in ours for own in ANSWERS):
        raise no_column(("id",) if "id" not in ours else ANSWERS, names, place)
    refuse_misspelt_reference([*ours, *sorted(free - set(ours))], place)
    return ours | {name: choose("column", names, name, place) for name in selection.columns if name not in ours}


def typed_table(frame: pl.DataFrame, ours: Mapping[str, str], place: str) -> pl.DataFrame:
    """All of our columns, typed, from those that `ours` names. Raises DataError for a value of the wrong type."""
    ready = {own: frame[theirs] for own, theirs in ours.items() if frame[theirs].dtype == COLUMNS.get(own, pl.String)}
    others = {own: frame[theirs].to_list() for own, theirs in ours.items() if own not in ready}
    typed = table_of(others, place) if others else pl.DataFrame(schema=COLUMNS).clear(len(frame))
    series = {**{own: typed[own] for own in typed.columns}, **{own: one.alias(own) for own, one in ready.items()}}
    return pl.DataFrame([series[own] for own in dict.fromkeys((*COLUMNS, *ours))])


def from_table(table: pl.DataFrame, name: str, selection: Selection, place: str) -> PredictionSet:
    """The set of a typed table, in which a row without any answer is an unscored sample. Raises DataError.

    name: of the model. A table has no header, so only what was asked for is known.
    """
    header = Header(name=name, task=selection.task, metric=selection.metric, filter=selection.filter)
    answered = pl.any_horizontal(pl.col(name).is_not_null() for name in ANSWERS)
    output = pl.when(answered).then("output").otherwise(pl.lit("")).alias("output")
    return PredictionSet.checked(header, table.with_columns(output), place)


def stem(path: Path) -> str:
    """The file's name without the suffixes of its format."""
    return path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.name
