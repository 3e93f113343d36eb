"""CSV and TSV, where every value is text.

An empty cell is a missing value, except in `output`, where it is the answer of a model that wrote nothing.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stillright.errors import DataError
from stillright.importers.selection import Selection
from stillright.importers.tables import columns_of, from_columns, stem
from stillright.jsonl import first_bytes, open_binary
from stillright.records import PredictionSet

CELL_CHARACTERS = 2**28  # the csv module allows 2**17, which answers may exceed
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
    columns: dict[str, list[Any]] = {own: [] for own in ours}
    for line, cells in rows:
        if len(cells) != len(names):
            raise DataError(
                f"{path}:{line}: {len(cells)} cells, but {len(names)} columns; "
                f"quote cells that hold a {_delimiter(path)!r}"
            )
        for own, index in at.items():
            columns[own].append(_value(own, cells[index], f"{path}:{line}"))
    return from_columns(columns, stem(path), selection, str(path))


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
        reader = csv.reader(text, delimiter=_delimiter(path), strict=True)
        usual = csv.field_size_limit(CELL_CHARACTERS)
        try:
            yield from ((reader.line_num, cells) for cells in reader if cells)
        except UnicodeDecodeError:
            raise DataError(f"{path}: not UTF-8 after line {reader.line_num}; re-encode the file as UTF-8") from None
        except (csv.Error, EOFError, OSError, zlib.error) as error:
            raise DataError(f"{path}:{reader.line_num}: damaged or cut off ({error})") from None
        finally:
            csv.field_size_limit(usual)


def _value(name: str, cell: str, place: str) -> Any:
    if cell == "" and name != "output":
        return None
    read = READERS.get(name)
    try:
        return read(cell) if read else cell
    except (ValueError, LookupError):
        raise DataError(f"{place}: {name}: {cell!r:.40} is not {EXPECTED[name]}") from None


def _score(cell: str) -> float:
    if "_" in cell:  # which Python would accept
        raise ValueError
    return float(cell)


READERS: dict[str, Callable[[str], Any]] = {
    "correct": lambda cell: FLAGS[cell.strip().lower()],
    "score": _score,
    "choices": int,
}
EXPECTED = {"correct": f"one of {', '.join(FLAGS)}", "score": "a number", "choices": "a whole number"}
