"""Finds out what a file or folder is, and reads it with the importer for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stillright.errors import DataError
from stillright.importers.json_text import decode_json, read_json
from stillright.importers.jsonl import blocks, read_jsonl
from stillright.importers.selection import Selection
from stillright.records import PredictionSet

__all__ = ["Selection", "read_predictions"]

Reader = Callable[[Path, Selection], PredictionSet]
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


def read_predictions(path: Path, selection: Selection | None = None) -> PredictionSet:
    """The PredictionSet in `path`, whose format is found out from its name and content.

    Raises DataError for what no importer understands, or where `selection` leaves several results or none.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file (looked from {Path.cwd()})")
    reader = _reader_of_folder(path) if path.is_dir() else _reader_of_file(path)
    return reader(path, selection or Selection())


def _reader_of_folder(folder: Path) -> Reader:
    from stillright.importers.harness import find_samples, read_harness

    if find_samples(folder):
        return read_harness
    raise DataError(f"{folder}: no samples_*.jsonl of lm-evaluation-harness (--log_samples); name the file itself")


def _reader_of_file(path: Path) -> Reader:
    if not path.is_file():
        raise DataError(f"{path}: neither a file nor a folder")
    return _reader_of_json(path, _first_value(path))


def _first_value(path: Path) -> Any:
    """The JSON value in the first line, or in the whole file where it is one value over many lines; else None."""
    lines = next((lines for _, lines in blocks(path)), [])
    line = next((line for line in lines if line.strip()), b"")
    try:
        return decode_json(line, str(path))
    except DataError:
        whole = path.suffix == ".json" or line.lstrip()[:1] == b"["
        return read_json(path) if whole else None


def _reader_of_json(path: Path, value: Any) -> Reader:
    """The importer that knows the keys of `value`."""
    from stillright.importers.harness import read_harness

    first = value[0] if isinstance(value, list) and value else value
    keys = set(first) if isinstance(first, dict) else set()
    if "doc_id" in keys and keys & {"arguments", "resps", "filtered_resps"}:
        return read_harness
    if {"results", "configs"} <= keys:
        raise DataError(f"{path}: totals of lm-evaluation-harness; its samples_*.jsonl (--log_samples) is needed")
    return _read_own


def _read_own(path: Path, selection: Selection) -> PredictionSet:
    return read_jsonl(path, selection.columns)
