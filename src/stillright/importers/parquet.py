"""Parquet -> a frame. Only the footer is read in this process: a damaged page can abort its reader, and us with it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import polars as pl

from stillright import bounds
from stillright.errors import DataError
from stillright.importers import parquet_pages

Columns = Mapping[str, Sequence[str] | None]
VALUE_BYTES = 16  # of a value that is no text
COPIES = 4  # of what a file unpacks to, at once, while it is decoded and handed over
PATIENCE, SLOWEST = 60, 10**6  # seconds, and more of them for each so many bytes: a reader may also hang
OWN_BYTES = 2**28  # of the reader, its threads and the page it decodes, besides


def schema(path: Path) -> pl.Schema:
    """Name -> type of the file's columns. Raises DataError where the file is none of Parquet."""
    with _damage(path):
        return pl.Schema(pl.read_parquet_schema(path))


def read(path: Path, columns: Columns) -> pl.DataFrame:
    """The columns named, each whole (None) or as an object with only the fields listed.

    Raises DataError for a file that is damaged, or has more rows or text than a file of its size may.
    """
    with _damage(path):
        rows = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
    bounds.refuse_rows(rows, bounds.row_limit(path), str(path))
    limit = max(bounds.UNPACKED_BYTES, path.stat().st_size)
    frame = _decoded(path, columns, limit)
    # equal values take no room in the file, and hardly any in memory, but later steps write them all out
    size = sum(map(_bytes, frame))
    if size > limit:
        raise DataError(f"{path}: unpacks to {size:,} bytes, more than {limit:,}; write it as JSONL")
    return frame


def _decoded(path: Path, columns: Columns, limit: int) -> pl.DataFrame:
    """What the pages hold, by a process that may die of them."""
    request: parquet_pages.Request = {
        "path": str(path.resolve()),
        "columns": {name: None if fields is None else list(fields) for name, fields in columns.items()},
        "memory": COPIES * limit + OWN_BYTES,
        "packages": sys.path,
    }
    reader = [sys.executable, "-I", parquet_pages.__file__]
    seconds = PATIENCE + path.stat().st_size / SLOWEST
    try:
        done = subprocess.run(reader, input=json.dumps(request).encode(), capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise DataError(
            f"{path}: damaged, or on a slow disk: not read within {seconds:,.0f} s; copy it first"
        ) from None
    if done.returncode == 0:
        return pl.read_ipc_stream(BytesIO(done.stdout))
    why = done.stderr.decode(errors="replace").strip()
    if done.returncode == parquet_pages.REFUSED:
        raise _damaged(path, why)
    lines = why.splitlines() or [f"exit code {done.returncode}"]
    said = lines[-1 if lines[0].startswith("Traceback") else 0][:200]  # else what follows is a stack of Rust
    raise DataError(f"{path}: damaged, or unpacks to more than {limit:,} bytes; reading it ended the reader ({said})")


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, why: str) -> DataError:
    return DataError(f"{path}: not Parquet, or damaged ({' '.join(why.split())[:200]})")


def _bytes(column: pl.Series) -> int:
    """Of all its values, each written out."""
    if isinstance(column.dtype, pl.Struct):
        return sum(map(_bytes, column.struct.unnest()))
    if isinstance(column.dtype, pl.List):
        return VALUE_BYTES * len(column) + _bytes(column.explode())
    return int(column.str.len_bytes().sum()) if column.dtype == pl.String else VALUE_BYTES * len(column)
