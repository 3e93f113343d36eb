"""Rows -> CSV text. Knows no files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any


def as_csv(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV, the head first; None is an empty field."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
