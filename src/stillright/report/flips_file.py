"""The table of every flip -> the bytes of a file, in the format that its name says."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

FORMATS = (".jsonl", ".csv", ".parquet")


def flips_file(flips: pl.DataFrame, suffix: str) -> bytes:
    """`flips` of a Comparison; suffix: one of FORMATS. Texts stand as they are, those that a spreadsheet would take for
    formulas too. In CSV a list is one cell of JSON, as the reader of tables takes it; one right answer stands alone."""
    file = BytesIO()
    if suffix == ".parquet":
        flips.write_parquet(file)
    elif suffix == ".jsonl":
        flips.write_ndjson(file)
    else:
        _without_lists(flips).write_csv(file)
    return file.getvalue()


def _without_lists(flips: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    lists = {name: flips[name].to_list() for name, kind in flips.schema.items() if kind.base_type() == pl.List}
    texts = {name: [_cell(name, value) for value in values] for name, values in lists.items()}
    return flips.with_columns(pl.Series(name, cells, dtype=pl.String) for name, cells in texts.items())


def _cell(name: str, value: list[Any] | None) -> str | None:
    if value is None:
        return None
    is_plain = name == "reference" and len(value) == 1 and not value[0].startswith("[")  # else it is read as several
    return value[0] if is_plain else json.dumps(value, ensure_ascii=False)
