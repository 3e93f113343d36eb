"""Recognizes the format of a file or folder, and reads it with the importer for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from stillright.errors import DataError
from stillright.importers.delimited import read_csv
from stillright.importers.harness import read_harness
from stillright.importers.harness_files import find_samples
from stillright.importers.jsonl import read_jsonl
from stillright.importers.promptfoo import read_promptfoo
from stillright.importers.selection import KINDS, Selection, refuse_renaming, refuse_unknown
from stillright.importers.tables import read_parquet, read_records
from stillright.jsonl import Keys, blocks, decode_json, first_bytes, read_json
from stillright.records import PredictionSet

Reader = Callable[[Path, Selection], PredictionSet]
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
RESULTS = (".jsonl", ".jsonl.gz", ".eval", ".json", *TABLES, ".parquet")
KNOWN = (
    "known are stillright's own JSONL, logs of lm-evaluation-harness, Inspect and promptfoo, and tables: .csv, .tsv, "
    "Parquet, JSON objects"
)


def read_predictions(path: str | Path, selection: Selection | None = None) -> PredictionSet:
    """The PredictionSet in `path`, whose format is recognized by its name and content.

    Raises DataError for what no importer understands, or if `selection` leaves several results or none.
    """
    if not str(path).strip():
        raise DataError(f"{path!r}: the path is empty, which would be the current folder; give a file or folder")
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file (looked from {Path.cwd()})")
    reader = _reader_of_folder(path) if path.is_dir() else _reader_of_file(path)
    selection = selection or Selection()
    if reader in LOGS:
        refuse_renaming(selection, str(path))
        return replace(reader(path, selection), file=path)
    return replace(_as_wanted(reader(path, selection), selection, path), file=path)


def _reader_of_folder(folder: Path) -> Reader:
    if find_samples(folder):
        return read_harness
    files = sorted(path.name for path in folder.iterdir() if path.name.lower().endswith(RESULTS))
    such = f", such as {folder / files[0]}" if files else ""
    raise DataError(
        f"{folder}: no samples_*.jsonl of lm-evaluation-harness (--log_samples); name the file itself{such}"
    )


def _reader_of_file(path: Path) -> Reader:
    if not path.is_file():
        raise DataError(f"{path}: neither a file nor a folder; write the results to a file first")
    magic = first_bytes(path, 4)
    if magic == b"PK\x03\x04":
        return _inspect
    if magic == b"PAR1":
        return read_parquet
    if path.suffix.lower() in (".parquet", ".eval"):
        raise DataError(f"{path}: the name ends in {path.suffix}, but the content is something else; it may be cut off")
    if path.name.lower().endswith(TABLES):
        return read_csv
    keys, lines = _first_keys(path)
    return _reader_by_keys(path, keys) or (read_jsonl if lines else read_records)


def _first_keys(path: Path) -> tuple[set[str], bool]:
    """The keys of the first JSON object, and whether the file has one per line; else it is one value."""
    data = next((data for _, data in blocks(path)), b"")
    line = next((line for line in BytesIO(data) if line.strip()), b"")
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: UTF-16; re-encode the file as UTF-8")
    if line and line.lstrip()[:1] not in (b"{", b"["):
        raise DataError(f"{path}: unknown format; {KNOWN}")
    try:
        value = decode_json(line, str(path), Keys | list[Keys])
        one_per_line = isinstance(value, dict)
    except DataError:
        if path.suffix != ".json" and line.lstrip()[:1] != b"[":
            return set(), True
        value, one_per_line = read_json(path, Keys | list[Keys]), False
    first = value if isinstance(value, dict) else value[0] if value else ()
    return set(first), one_per_line


def _reader_by_keys(path: Path, keys: set[str]) -> Reader | None:
    """The importer of a tool that writes these keys."""
    if "doc_id" in keys and keys & {"arguments", "resps", "filtered_resps"}:
        return read_harness
    if {"results", "configs"} <= keys:
        raise DataError(f"{path}: totals of lm-evaluation-harness; give its samples_*.jsonl (--log_samples)")
    if {"eval", "plan"} <= keys:
        return _inspect
    if {"results", "config"} <= keys or {"promptIdx", "success"} <= keys:
        return read_promptfoo
    return None


def _inspect(path: Path, selection: Selection) -> PredictionSet:
    """read_inspect, whose module imports Zstandard."""
    from stillright.importers.inspect import read_inspect

    return read_inspect(path, selection)


LOGS = (read_harness, _inspect, read_promptfoo)  # whose columns cannot be renamed; the others hold one result


def _as_wanted(predictions: PredictionSet, selection: Selection, path: Path) -> PredictionSet:
    """The set of a file that holds one result. Raises DataError if another one is asked for."""
    header = predictions.header
    named = {kind: getattr(header, kind, None) for kind in KINDS} | {"model": header.source.get("model")}
    refuse_unknown(selection, {kind: [str(name)] if name else [] for kind, name in named.items()}, str(path))
    return predictions
