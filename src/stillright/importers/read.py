"""Finds out what a file or folder is, and reads it with the importer for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stillright.errors import DataError
from stillright.importers.json_text import Keys, decode_json, read_json
from stillright.importers.jsonl import blocks, open_binary, read_jsonl
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
    from stillright.importers.harness import find_samples

    if find_samples(folder):
        return _harness
    raise DataError(f"{folder}: no samples_*.jsonl of lm-evaluation-harness (--log_samples); name the file itself")


def _reader_of_file(path: Path) -> Reader:
    if not path.is_file():
        raise DataError(f"{path}: neither a file nor a folder")
    with open_binary(path) as file:
        magic = file.read(4)
    if magic == b"PK\x03\x04":
        return _inspect
    return _reader_of_json(path, _first_keys(path))


def _first_keys(path: Path) -> set[str]:
    """The keys of the JSON object in the first line, or of the whole file where it is one value over many lines."""
    lines = next((lines for _, lines in blocks(path)), [])
    line = next((line for line in lines if line.strip()), b"")
    try:
        value = decode_json(line, str(path), Keys | list[Keys])
    except DataError:
        whole = path.suffix == ".json" or line.lstrip()[:1] == b"["
        value = read_json(path, Keys | list[Keys]) if whole else {}
    return set(value if isinstance(value, dict) else value[0] if value else ())


def _reader_of_json(path: Path, keys: set[str]) -> Reader:
    """The importer that knows these keys."""
    if "doc_id" in keys and keys & {"arguments", "resps", "filtered_resps"}:
        return _harness
    if {"results", "configs"} <= keys:
        raise DataError(f"{path}: totals of lm-evaluation-harness; its samples_*.jsonl (--log_samples) is needed")
    if {"eval", "plan"} <= keys:
        return _inspect
    if {"results", "config"} <= keys or {"promptIdx", "success"} <= keys:
        return _promptfoo
    return _own


# Each imports what its format needs when it is met, so that other files are read without.


def _harness(path: Path, selection: Selection) -> PredictionSet:
    from stillright.importers.harness import read_harness

    return read_harness(path, selection)


def _inspect(path: Path, selection: Selection) -> PredictionSet:
    from stillright.importers.inspect import read_inspect

    return read_inspect(path, selection)


def _promptfoo(path: Path, selection: Selection) -> PredictionSet:
    from stillright.importers.promptfoo import read_promptfoo

    return read_promptfoo(path, selection)


def _own(path: Path, selection: Selection) -> PredictionSet:
    return read_jsonl(path, selection.columns)
