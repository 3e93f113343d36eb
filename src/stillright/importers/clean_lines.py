"""Blocks of clean JSONL -> columns, several times as fast as line by line.

Clean is what most tools write: every line one flat object, every key with a text, a number or a boolean, always of the
same type. Of anything else this says nothing: the strict reader then reads the block, and names the line of an error.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
import polars as pl

from stillright.records import TYPES, nulls

READ_AS: dict[type, Any] = {str: pl.String, bool: pl.Boolean, int: pl.Float64, float: pl.Float64}
COUNTS = ("choices", "output_tokens")
WHOLE = ("id", "prediction", "reference", *COUNTS)  # of which the strict reader takes whole numbers
# older releases take 1.5 for the whole number 1, and overflow the stack on nested lists
KNOWN = tuple(int(part) for part in pl.__version__.split(".")[:2] if part.isdecimal()) >= (2, 1)
ODD, SPACED = (b"\t", b"\r"), b" :"  # white space that may be before a colon, where a key would not be counted
HALVES = (b"\\ud", b"\\uD")  # of surrogate pairs, which Polars reads even where one is alone


def clean_columns(data: bytes, names: Collection[str]) -> dict[str, pl.Series] | None:
    """The columns `names` of whole lines; None unless all lines are clean, and any has one of these."""
    schema = _schema(data[: data.find(b"\n") + 1]) if KNOWN else None
    if schema is None or any(each in data for each in ODD) or (b"\\" in data and any(each in data for each in HALVES)):
        return None
    try:
        table = pl.read_ndjson(data, schema=schema)
    except pl.exceptions.PolarsError:
        return None
    return _of_wanted(table, names) if _is_all(table, data) else None


def _schema(line: bytes) -> dict[str, Any] | None:
    """The types of the values in the first line; None where one of them needs the strict reader."""
    try:
        row = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    types = {
        name: pl.Int64 if type(value) is int and name in WHOLE else READ_AS.get(type(value))
        for name, value in row.items()
    }
    return types if types and "header" not in row and all(types.values()) else None


def _is_all(table: pl.DataFrame, data: bytes) -> bool:
    """Whether each key of each line is a value of the table, and each text one in a column of texts.

    So a key that is there twice, has null or a nested value, or is unknown to the table, makes the counts differ, and
    so does a value of another type, which Polars would write as text.
    """
    filled = {name: len(table) - count for name, count in table.null_count().row(0, named=True).items()}
    texts = sum(filled[name] for name, dtype in table.schema.items() if dtype == pl.String)
    before_text = b'": "' if b'": "' in data[: data.find(b"\n")] else b'":"'
    return _has_keys(data, sum(filled.values())) and _count(data, before_text) == texts


def _has_keys(data: bytes, count: int) -> bool:
    """Whether there are so many keys.

    Each has a colon after it. Where texts have colons too, those of keys have a quote before them: within a text a
    backslash is before the quote.
    """
    if data.count(b":") == count:
        return True
    return SPACED not in data and _count(data, b'":') == count


def _count(data: bytes, mark: bytes) -> int:
    return data.count(mark) - (data.count(b"\\" + mark) if b"\\" in data else 0)


def _of_wanted(table: pl.DataFrame, names: Collection[str]) -> dict[str, pl.Series] | None:
    """Ours in their types; None without any, and where the strict reader must say what another type means."""
    found = {name: table[name] for name in names if name in table.columns}
    wanted = {name: pl.String if name == "reference" else TYPES.get(name, pl.String) for name in found}
    numbered = {name: each.cast(pl.String) if each.dtype == pl.Int64 else each for name, each in found.items()}
    found |= {name: numbered[name] for name in found if wanted[name] == pl.String}
    if not found or any(found[name].dtype != wanted[name] for name in found):
        return None
    if any((found[name] < 0).any() for name in COUNTS if name in found):
        return None
    return {name: found.get(name, nulls(name, len(table))) for name in names}
