"""Finds out what a file or folder is, and reads it with the importer for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stillright.errors import DataError
from stillright.records import PredictionSet


@dataclass(frozen=True)
class Selection:
    """What to take where a log holds more than one result, and what else to keep of every sample."""

    task: str | None = None
    metric: str | None = None
    filter: str | None = None  # of lm-evaluation-harness
    columns: tuple[str, ...] = ()  # further columns to keep, as text, to slice by
    rename: Mapping[str, str] = field(default_factory=dict)  # our column -> theirs, for tables


def read_predictions(path: Path, selection: Selection | None = None) -> PredictionSet:
    """The PredictionSet in `path`, whose format is found out from its name and content.

    Raises DataError for what no importer understands, or where `selection` leaves several results or none.
    """
    from stillright.importers.jsonl import read_jsonl

    selection = selection or Selection()
    if not path.exists():
        raise DataError(f"{path}: no such file (looked from {Path.cwd()})")
    return read_jsonl(path, selection.columns)
