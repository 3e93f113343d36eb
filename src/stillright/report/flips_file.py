"""The table of every flip -> the bytes of a file, in the format that its name says."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

FORMATS = (".jsonl", ".csv", ".parquet")


def flips_file(flips: pl.DataFrame, suffix: str) -> bytes:
    """`flips` of a Comparison; suffix: one of FORMATS. Texts stand as they are, those that a spreadsheet would take for
    formulas too. In CSV several right answers are a JSON list in one cell, as the reader of tables takes them."""
    file = BytesIO()
    if suffix == ".parquet":
        flips.write_parquet(file)
    elif suffix == ".jsonl":
        flips.write_ndjson(file)
    else:
        _with_one_text(flips).write_csv(file)
    return file.getvalue()


def _with_one_text(flips: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    texts = [None if answers is None else _text(answers) for answers in flips["reference"].to_list()]
    return flips.with_columns(pl.Series("reference", texts, dtype=pl.String))


def _text(answers: list[str]) -> str:
    is_plain = len(answers) == 1 and not answers[0].startswith("[")  # else it would be read as several
    return answers[0] if is_plain else json.dumps(answers, ensure_ascii=False)
