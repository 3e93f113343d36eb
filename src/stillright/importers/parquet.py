"""Parquet, whose columns have types of their own."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from stillright.errors import DataError, one_line
from stillright.importers.selection import Selection
from stillright.importers.tables import columns_of, from_table, stem, typed_table
from stillright.records import PredictionSet

DAMAGED = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)


def read_parquet(path: Path, selection: Selection) -> PredictionSet:
    """The PredictionSet in a Parquet file. Raises DataError naming file and row."""
    try:
        frame = pl.read_parquet(path, use_pyarrow=False)
    except DAMAGED as error:
        raise DataError(f"{path}: not Parquet, or damaged ({one_line(error)[:200]})") from None
    ours = columns_of(frame.columns, selection, str(path))
    return from_table(typed_table(frame, ours, str(path)), stem(path), selection, str(path))
