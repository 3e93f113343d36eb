"""Columns of any names -> PredictionSet: what all tables share, and those with types: frames, Parquet, JSON objects."""

from __future__ import annotations

import difflib
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from stillright import bounds
from stillright.directions import is_lower_better
from stillright.errors import DataError
from stillright.importers import parquet, presets
from stillright.importers.answer_lists import with_listed_references
from stillright.importers.selection import Selection, choose, listed, refuse_unknown
from stillright.jsonl import decode_json, filled_lines, read_json, without_nan
from stillright.records import ANSWERS, TYPES, Column, Header, PredictionSet, joined_table, renaming

ROWS = 2**16  # made a table of at once
NAMES = 1000  # of columns that a misspelt one is looked for among


def read_frame(frame: Any, name: str, selection: Selection | None = None) -> PredictionSet:
    """The PredictionSet in a Polars or pandas frame; NaN in a pandas frame counts as missing.

    name: of the model, and of the frame in errors. Raises DataError naming it, and the row.
    """
    selection = selection or Selection()
    names = [str(column) for column in getattr(frame, "columns", ())]
    ours = columns_of(names, selection, name)
    refuse_unknown(selection, dict.fromkeys(("model", "prompt", "run"), ()), name)
    if isinstance(frame, pl.DataFrame):
        return from_columns({own: frame[theirs] for own, theirs in ours.items()}, name, selection, name)
    if not hasattr(frame, "notna"):
        raise DataError(f"{name}: expected a Polars or pandas frame, not a {type(frame).__name__}")
    plain = frame.astype(object).where(frame.notna(), None).set_axis(names, axis="columns")
    # lists in place of NumPy's arrays, such as several references
    lists = {own: plain[theirs].tolist() for own, theirs in ours.items()}
    columns = {own: [x.tolist() if hasattr(x, "tolist") else x for x in values] for own, values in lists.items()}
    return from_columns(columns, name, selection, name)


def read_parquet(path: Path, selection: Selection) -> PredictionSet:
    """The PredictionSet in a Parquet file. Raises DataError naming file and row."""
    ours = columns_of(list(parquet.schema(path)), selection, str(path))
    frame = parquet.read(path, dict.fromkeys(ours.values()))
    parts = ({own: part[theirs] for own, theirs in ours.items()} for part in frame.iter_slices(ROWS))
    return from_parts(parts, path, selection)


def read_records(path: Path, selection: Selection) -> PredictionSet:
    """The PredictionSet in a file of JSON objects with keys of any names: one per line, or all in one list.

    Raises DataError naming file and row.
    """
    if path.name.removesuffix(".gz").endswith(".json"):
        values = read_json(path, dict[str, Any] | list[dict[str, Any]], without_nan)
        rows: Iterable[dict[str, Any]] = values if isinstance(values, list) else [values]
        names = dict.fromkeys(key for row in rows for key in row)
    else:
        rows, names = _objects(path), dict.fromkeys(key for row in _objects(path) for key in row)
    ours = columns_of(list(names), selection, str(path))
    left = iter(rows)
    parts = iter(lambda: list(islice(left, ROWS)), [])
    columns = ({own: [row.get(theirs) for row in part] for own, theirs in ours.items()} for part in parts)
    return from_parts(columns, path, selection)


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    """The object of each line that is not blank."""
    for number, line in filled_lines(path):
        yield decode_json(line, f"{path}:{number}", dict[str, Any], without_nan)


def columns_of(names: Sequence[str], selection: Selection, place: str) -> dict[str, str]:
    """Our column -> theirs, for all that are to be read.

    Raises DataError if two have the same name, if one asked for is missing, and without an id or any answer.
    """
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{place}: several columns are called {listed([twice])}")
    unknown = [own for own in selection.rename if own not in TYPES]
    if unknown:
        raise DataError(f"{place}: nothing can be renamed to {unknown[0]!r}; our columns are {listed(list(TYPES))}")
    theirs_of = presets.renamed(selection, names, place)
    renamed = {own: choose("column", names, theirs, place) for own, theirs in theirs_of.items()}
    free = set(names) - set(renamed.values())  # there is no prediction if output=prediction was asked for
    ours = {own: renamed.get(own, own) for own in TYPES if own in renamed or own in free}
    if "id" not in ours or not any(own in ours for own in ANSWERS):
        raise no_column(("id",) if "id" not in ours else ANSWERS, names, place)
    refuse_misspelt_reference([*ours, *sorted(free - set(ours))], place)
    return ours | {name: choose("column", names, name, place) for name in selection.columns if name not in ours}


def no_column(wanted: Sequence[str], names: Sequence[str], place: str) -> DataError:
    """The error for a table without any of the columns `wanted`, naming the column that is probably meant."""
    lower = {name.lower(): name for name in names[:NAMES] if len(name) < 100}
    near = [(own, lower[each]) for own in wanted for each in difflib.get_close_matches(own, lower, n=1, cutoff=0.75)]
    own, theirs = near[0] if near else (wanted[0], "THEIRS")
    return DataError(
        f"{place}: no column {' or '.join(wanted)}, and none renamed to it; there is {listed(names)}; "
        f"name it with {renaming(own, theirs)}"
    )


def refuse_misspelt_reference(names: Sequence[str], place: str) -> None:
    """Raises DataError if predictions can be compared with nothing but a column that is nearly `reference`."""
    judged = {"reference", "correct", "score"} & set(names)
    if "prediction" in names and not judged and difflib.get_close_matches("reference", names[:NAMES], n=1, cutoff=0.85):
        raise no_column(("reference",), names, place)


def from_columns(columns: Mapping[str, Column], name: str, selection: Selection, place: str) -> PredictionSet:
    """The set of a table with our `columns`, in which a row without any answer is an unscored sample.

    name: of the model. A table has no header, so only what was asked for is known. Raises DataError naming `place`.
    """
    return _unscored_where_unanswered(
        joined_table([with_listed_references(columns, place)], place, sys.maxsize), name, selection, place
    )


def from_parts(parts: Iterable[Mapping[str, Column]], path: Path, selection: Selection) -> PredictionSet:
    """The same of a file whose rows come part by part. Raises DataError also for more of them than it may hold."""
    table = joined_table((with_listed_references(part, str(path)) for part in parts), str(path), bounds.row_limit(path))
    return _unscored_where_unanswered(table, stem(path), selection, str(path))


def _unscored_where_unanswered(table: pl.DataFrame, name: str, selection: Selection, place: str) -> PredictionSet:
    known = {"task": selection.task, "metric": selection.metric, "filter": selection.filter}
    lower = is_lower_better(selection.metric, None, selection.lower_is_better, place)
    header = Header(name=name, lower_is_better=bool(lower), **known)
    answered = pl.any_horizontal(pl.col(name).is_not_null() for name in ANSWERS)
    output = pl.when(answered).then("output").otherwise(pl.lit("")).alias("output")
    table = without_verdicts(table) if selection.anew else table.with_columns(output)
    return PredictionSet.checked(header, table, place)


def without_verdicts(table: pl.DataFrame) -> pl.DataFrame:
    """The table without what said which answers are right, where it has outputs to be scored anew."""
    if table["output"].null_count() == len(table):
        return table
    return table.with_columns(
        pl.lit(None, table.schema[name]).alias(name) for name in ("prediction", "correct", "score")
    )


def stem(path: Path) -> str:
    """The file's name without the suffixes of its format."""
    return path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.name
