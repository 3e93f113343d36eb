"""stillright's own files: JSONL one object per sample, after an optional line that holds the header."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl
from pydantic import ValidationError

from stillright import bounds
from stillright.directions import is_lower_better
from stillright.errors import DataError, StillrightError
from stillright.importers.answer_lists import with_listed_references
from stillright.importers.clean_lines import clean_columns
from stillright.importers.selection import Selection
from stillright.importers.tables import no_column, read_records, refuse_misspelt_reference, without_verdicts
from stillright.jsonl import blocks, lines_of, read_objects
from stillright.records import ANSWERS, TYPES, Column, Header, PredictionSet, filled, joined_table

Text = str | int | float | bool | None
FIELDS: list[tuple[str, Any, Any]] = [
    ("id", str | int | None, None),
    ("prediction", Text, None),
    ("reference", Text | list[Text], None),
    ("correct", bool | int | float | None, None),  # 1 and 0 too, as in CSV
    ("score", float | None, None),
    ("prompt", str | list[dict[str, Any]] | None, None),
    ("asked", str | None, None),
    ("output", str | None, None),
    ("choices", int | None, None),
    ("margin", float | None, None),
    ("output_tokens", int | float | None, None),
    ("header", dict[str, Any] | None, None),
]
CHOICE_FIELDS: list[tuple[str, Any, Any]] = [
    ("choice_texts", list[str] | None, None),
    ("loglikelihoods", list[float] | None, None),
]


def _decoded(decoder: Any, line: bytes, place: str) -> Any:
    try:
        return decoder.decode(line)
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 at byte {error.start}; re-encode the file as UTF-8") from None
    except msgspec.ValidationError as error:
        what, _, field = str(error).partition(" - at `$")
        name = f"{field.strip('`.')}: " if field.strip("`.") else ""
        raise DataError(f"{place}: {name}{what.replace('`', '')}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        word = next((word for word in (b"NaN", b"Infinity") if re.search(rb"[:\[,]\s*-?" + word, line)), None)
        if word is not None:
            raise DataError(f"{place}: {word.decode()} is not JSON; write null for a missing value") from None
        raise DataError(f"{place}: not JSON ({error}); write one JSON object per line") from None


def read_jsonl(path: Path, selection: Selection) -> PredictionSet:
    """The PredictionSet in a JSONL file; without a header line, named after the file.

    Raises DataError naming file and line.
    """
    if selection.rename or selection.preset:
        return read_records(path, selection)
    known = {name for name, _, _ in (*FIELDS, *CHOICE_FIELDS)}
    # as attributes, since a column's name need not be an identifier
    further = {f"further_{i}": name for i, name in enumerate(selection.columns) if name not in known}
    ours = [*FIELDS, *(CHOICE_FIELDS if selection.all_choices else ())]
    fields = [*ours, *((attribute, Text, None) for attribute in further)]
    decoder = msgspec.json.Decoder(msgspec.defstruct("Line", fields, rename=further, gc=False))
    kept = {name: name for name, _, _ in ours if name in TYPES} | {name: key for key, name in further.items()}
    parts = _in_order(lambda number, data: _columns_of_block(decoder, kept, path, number, data), blocks(path))
    first = next(parts, None)
    if first is None:
        raise DataError(f"{path}: no samples; write one JSON object per line")
    header = _header(first.header, path, selection)
    columns = (with_listed_references(part.columns, str(path)) for part in chain([first], parts))
    table = joined_table(columns, str(path), bounds.row_limit(path))
    _refuse_other_names(table, path)
    return PredictionSet.checked(header, without_verdicts(table) if selection.anew else table, str(path))


def _refuse_other_names(table: pl.DataFrame, path: Path) -> None:
    """Raises DataError naming the keys that are there if no row has an id or an answer, or none a reference."""
    known = filled(table)
    judged = known & {"reference", "correct", "score"}
    wanted = ("id",) if "id" not in known else ANSWERS if known.isdisjoint(ANSWERS) else ()
    keys = next((list(row) for _, row in read_objects(path) if "header" not in row), []) if wanted or not judged else []
    if wanted and len(table) and not set(wanted) & set(keys):
        raise no_column(wanted, keys, str(path))
    if not judged:
        refuse_misspelt_reference(keys, str(path))


class _Part(NamedTuple):
    """The columns of a block, and the header in its first line."""

    columns: Mapping[str, Column]
    header: dict[str, Any] | None


def _in_order(read: Callable[[int, bytes], _Part], found: Iterator[tuple[int, bytes]]) -> Iterator[_Part]:
    """`read` of each block, of two at a time, since most of it leaves Python free."""
    with ThreadPoolExecutor(2) as pool:
        waiting: deque[Future[_Part]] = deque()
        for part in _submitted(pool, read, found):
            waiting.append(part)
            if len(waiting) > 1:
                yield waiting.popleft().result()
        yield from (part.result() for part in waiting)


def _submitted(
    pool: ThreadPoolExecutor, read: Callable[[int, bytes], _Part], found: Iterator[tuple[int, bytes]]
) -> Iterator[Future[_Part]]:
    """An error of `found` is the last part, so that it comes after those of the blocks before it."""
    try:
        for block in found:
            yield pool.submit(copy_context().run, partial(read, *block))
    except StillrightError as error:
        failed: Future[_Part] = Future()
        failed.set_exception(error)
        yield failed


def _columns_of_block(decoder: Any, kept: Mapping[str, str], path: Path, first: int, data: bytes) -> _Part:
    """kept: the decoder's attribute for each column. first: the number of the first line."""
    clean = clean_columns(data, kept)
    if clean is not None:
        return _Part(clean, None)
    rows = _decoded_block(decoder, path, first, data)
    header = rows[0].header if rows and first == 1 else None
    rows = rows[1:] if header is not None else rows
    return _Part({name: list(map(attrgetter(attribute), rows)) for name, attribute in kept.items()}, header)


def _decoded_block(decoder: Any, path: Path, first: int, data: bytes) -> list[Any]:
    try:
        return list(decoder.decode_lines(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        numbered = enumerate(lines_of(data), start=first)  # once more, to name the line
        return [_decoded(decoder, line, f"{path}:{number}") for number, line in numbered if line.strip()]


def _header(written: dict[str, Any] | None, path: Path, selection: Selection) -> Header:
    name = path.name.removesuffix(".gz").removesuffix(".jsonl")
    given = written or {}
    try:
        header = Header.model_validate({"name": name, **given})
        lower = is_lower_better(header.metric, given.get("lower_is_better"), selection.lower_is_better, str(path))
        return header.model_copy(update={"lower_is_better": bool(lower)})
    except ValidationError as error:
        wrong = error.errors()[0]
        raise DataError(f"{path}:1: header: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None


def write_predictions(predictions: PredictionSet, path: str | Path) -> None:
    """One JSON object per line: first the header, under the key `header`, then the rows without their nulls."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(_lines_to_write(predictions))


def predictions_text(predictions: PredictionSet) -> str:
    """What write_predictions writes."""
    return "".join(_lines_to_write(predictions))


def _lines_to_write(predictions: PredictionSet) -> Iterator[str]:
    yield json.dumps({"header": predictions.header.model_dump(exclude_none=True)}) + "\n"
    for row in predictions.table.iter_rows(named=True):
        kept = {name: value for name, value in row.items() if value is not None}
        if len(kept.get("reference", ())) == 1 and not kept["reference"][0].startswith("["):  # else read as several
            kept["reference"] = kept["reference"][0]
        yield json.dumps(kept, ensure_ascii=False) + "\n"
