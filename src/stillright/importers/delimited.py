"""CSV and TSV, where every value is text.

An empty cell is a missing value, except in `output`, where it is the answer of a model that wrote nothing.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import msgspec

from stillright import bounds
from stillright.errors import DataError
from stillright.importers.selection import Selection
from stillright.importers.tables import ROWS, columns_of, from_parts
from stillright.jsonl import first_bytes, open_binary
from stillright.records import PredictionSet

LINE_CHARACTERS = 2 * bounds.TEXT_BYTES
FLAGS = {"true": True, "yes": True, "1": True, "1.0": True, "false": False, "no": False, "0": False, "0.0": False}


def read_csv(path: Path, selection: Selection) -> PredictionSet:
    """The PredictionSet in a file of comma-separated values, or tab-separated ones (.tsv), perhaps gzipped.

    Raises DataError naming file and line.
    """
    _refuse_other_delimiter(path)
    rows = _rows(path)
    _, names = next(rows, (0, None))
    if names is None:
        raise DataError(f"{path}: no samples; the first line must name the columns, each further one hold a sample")
    ours = columns_of(names, selection, str(path))
    at = {own: names.index(theirs) for own, theirs in ours.items()}
    parts = iter(lambda: _columns(list(islice(rows, ROWS)), len(names), at, path), {})
    return from_parts(parts, path, selection)


def _columns(rows: list[tuple[int, list[str]]], width: int, at: dict[str, int], path: Path) -> dict[str, list[Any]]:
    """The values of some rows in our columns; empty without a row. at: where each column is in a row."""
    for line, cells in rows:
        if len(cells) != width:
            raise DataError(
                f"{path}:{line}: {len(cells)} cells, but {width} columns; quote cells that hold a {_delimiter(path)!r}"
            )
    return {own: _column(own, i, rows, path) for own, i in at.items()} if rows else {}


def _column(name: str, index: int, rows: list[tuple[int, list[str]]], path: Path) -> list[Any]:
    """The values of one of our columns: what `_value` gives, decided once where every value is text."""
    if name not in READERS:
        empty = "" if name == "output" else None
        return [cells[index] or empty for _, cells in rows]
    return [_value(name, cells[index], path, line) for line, cells in rows]


def _refuse_other_delimiter(path: Path) -> None:
    """Raises DataError if the names of columns are all in one cell, since they are separated by something else."""
    line = first_bytes(path, 4096).split(b"\n")[0].decode("utf-8", "replace")
    other = next((each for each in ";\t|," if each in line), None)
    expected = _delimiter(path)
    if other is not None and expected not in line:
        raise DataError(f"{path}:1: the delimiter looks like {other!r}; write the file with {expected!r} between cells")


def _delimiter(path: Path) -> str:
    return "\t" if path.name.removesuffix(".gz").lower().endswith(".tsv") else ","


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the (last) line, and cells, of each row that is not blank."""
    with open_binary(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        reader = csv.reader(_lines(text, path), delimiter=_delimiter(path), strict=True)
        usual = csv.field_size_limit(bounds.TEXT_BYTES)  # by default 2**17, which answers may exceed
        try:
            blank = 0
            for cells in reader:
                blank += not cells
                if blank > bounds.BLANK_LINES:
                    raise DataError(
                        f"{path}:{reader.line_num}: more than {bounds.BLANK_LINES:,} blank lines; drop them"
                    )
                if cells:
                    yield reader.line_num, cells
        except UnicodeDecodeError:
            raise DataError(f"{path}: not UTF-8 after line {reader.line_num}; re-encode the file as UTF-8") from None
        except csv.Error as error:
            what = f"damaged or cut off ({error})"
            if "field limit" in what:
                what = f"a cell of more than {bounds.TEXT_BYTES:,} characters; shorten it, or close its quotes"
            raise DataError(f"{path}:{reader.line_num}: {what}") from None
        except (EOFError, OSError, zlib.error) as error:
            raise DataError(f"{path}:{reader.line_num}: damaged or cut off ({error})") from None
        finally:
            csv.field_size_limit(usual)


def _lines(text: TextIO, path: Path) -> Iterator[str]:
    """Raises DataError for a line that is longer than a row would be."""
    number = 0
    while line := text.readline(LINE_CHARACTERS):
        number += 1
        if len(line) == LINE_CHARACTERS:
            raise DataError(f"{path}:{number}: a line of more than {LINE_CHARACTERS:,} characters; shorten its cells")
        yield line


def _value(name: str, cell: str, path: Path, line: int) -> Any:
    if cell == "" and name != "output":
        return None
    read = READERS.get(name)
    try:
        return read(cell) if read else cell
    except (ValueError, LookupError):
        raise DataError(f"{path}:{line}: {name}: {cell!r:.40} is not {EXPECTED[name]}") from None


def _number(cell: str) -> float:
    if "_" in cell:  # which Python would accept
        raise ValueError
    return float(cell)


def _list(cell: str) -> list[Any]:
    try:
        return msgspec.json.decode(cell, type=list[Any])
    except (msgspec.DecodeError, RecursionError):
        raise ValueError from None


READERS: dict[str, Callable[[str], Any]] = {
    "correct": lambda cell: FLAGS[cell.strip().lower()],
    "score": _number,
    "margin": _number,
    "choices": int,
    "output_tokens": _number,  # 12.0 too, as pandas writes whole numbers where some are missing
    "choice_texts": _list,
    "loglikelihoods": _list,
}
EXPECTED = {
    "correct": f"one of {', '.join(FLAGS)}",
    **dict.fromkeys(("score", "margin", "output_tokens"), "a number"),
    "choices": "a whole number",
    **dict.fromkeys(("choice_texts", "loglikelihoods"), "a list in JSON"),
}
