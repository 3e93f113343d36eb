"""Rows of a JSONL file as a data set in memory; nothing is cached on disk."""

from __future__ import annotations

from pathlib import Path

import datasets

from stillright.errors import DataError
from stillright.jsonl import read_objects


def read_rows(path: Path) -> datasets.Dataset:
    """The rows of a JSONL file. Raises DataError where it is missing, empty, malformed or of mixed types."""
    rows = [value for _, value in read_objects(path)]
    if not rows:
        raise DataError(f"{path}: no rows in this file; write one JSON object per line")
    try:
        return datasets.Dataset.from_list(rows)
    except (ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path}: a column holds values of different types ({reason}); each column must have one type"
        ) from None
