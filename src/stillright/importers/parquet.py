"""Parquet: any table, and stillright's own form, whose header stands in the file's metadata."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from stillright.errors import DataError
from stillright.importers.json_text import as_object, decode_json
from stillright.importers.selection import Selection
from stillright.importers.tables import columns_of, from_table, header_of, stem, typed_table
from stillright.records import COLUMNS, PredictionSet, parse_header

KEY = "stillright"  # of the header in the metadata
DAMAGED = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)


def read_parquet(path: Path, selection: Selection) -> PredictionSet:
    """The PredictionSet in a Parquet file; of our own form all columns, else those that `selection` names.

    Raises DataError naming file and row.
    """
    try:
        header_text = pl.read_parquet_metadata(path).get(KEY)
        frame = pl.read_parquet(path, use_pyarrow=False)
    except DAMAGED as error:
        raise DataError(f"{path}: not Parquet, or damaged ({' '.join(str(error).split())[:200]})") from None
    place = str(path)
    ours = columns_of(frame.columns, selection, place)
    if header_text is None:
        return from_table(typed_table(frame, ours, place), header_of(stem(path), selection), place)
    header = parse_header(as_object(decode_json(header_text.encode(), place), place), place)
    ours |= {name: name for name in frame.columns if name not in COLUMNS and frame[name].dtype == pl.String}
    return from_table(typed_table(frame, ours, place), header, place)


def write_parquet(predictions: PredictionSet, path: Path) -> None:
    """Writes the table, with the header in the metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    predictions.table.write_parquet(path, metadata={KEY: predictions.header.model_dump_json(exclude_none=True)})
