"""Recognizes the format of a file or folder, and reads it with the importer for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stillright.errors import DataError
from stillright.importers.formats import FORMATS, LOGS, Format
from stillright.importers.glimpse import DELIMITED, Glimpse, glimpse
from stillright.importers.remote import copied
from stillright.importers.selection import KINDS, Selection, refuse_renaming, refuse_unknown
from stillright.records import PredictionSet

RESULTS = (".jsonl", ".jsonl.gz", ".eval", ".json", *DELIMITED, ".parquet")
KNOWN = (
    f"known are stillright's own JSONL, logs of {', '.join(each.name for each in LOGS)}, and tables: .csv, .tsv, "
    "Parquet, JSON objects"
)


def read_predictions(path: str | Path, selection: Selection | None = None) -> PredictionSet:
    """The PredictionSet in `path`, whose format is recognized by its name and content.

    path: a file or folder; as a text also s3://, gs://, hf:// or https:// something, with stillright[remote].
    Raises DataError for what no importer understands, or if `selection` leaves several results or none.
    """
    if not str(path).strip():
        raise DataError(f"{path!r}: the path is empty, which would be the current folder; give a file or folder")
    selection = selection or Selection()
    if isinstance(path, str) and "://" in path:
        with copied(path) as copy:
            return replace(_read(copy, selection), file=Path(path))
    return _read(Path(path), selection)


def _read(path: Path, selection: Selection) -> PredictionSet:
    if not path.exists():
        raise DataError(f"{path}: no such file (looked from {Path.cwd()})")
    found = _format(glimpse(path, KNOWN))
    if found.is_log:
        refuse_renaming(selection, str(path))
        return replace(found.read(path, selection), file=path)
    return replace(_as_wanted(found.read(path, selection), selection, path), file=path)


def _format(seen: Glimpse) -> Format:
    """The first format that looks like it. Raises DataError for a folder that is no log."""
    found = next((each for each in FORMATS if each.looks_like(seen)), None)
    if found is not None:
        return found
    files = sorted(path.name for path in seen.path.iterdir() if path.name.lower().endswith(RESULTS))
    such = f", such as {seen.path / files[0]}" if files else ""
    raise DataError(
        f"{seen.path}: no samples_*.jsonl of lm-evaluation-harness (--log_samples); name the file itself{such}"
    )


def _as_wanted(predictions: PredictionSet, selection: Selection, path: Path) -> PredictionSet:
    """The set of a file that holds one result. Raises DataError if another one is asked for."""
    header = predictions.header
    named = {kind: getattr(header, kind, None) for kind in KINDS} | {"model": header.source.get("model")}
    refuse_unknown(selection, {kind: [str(name)] if name else [] for kind, name in named.items()}, str(path))
    return predictions
