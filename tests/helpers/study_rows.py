"""The rows of cells.csv, and what their prediction files say."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import brute

Row = dict[str, str]


def rows_of(out: Path) -> list[Row]:
    with (out / "cells.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read(path: Path) -> brute.File:
    """A file of predictions in plain Python."""
    rows = [json.loads(line) for line in path.read_text().splitlines()][1:]
    return {row["id"]: {**row, "reference": [row["reference"]]} for row in rows}


def assert_row_is_what_its_files_say(row: Row, out: Path) -> None:
    """Every number, counted anew by brute.py."""
    kind = "continuous" if row["metric"] == "rouge1" else "discrete"
    models = [[read(out / row[f"predictions{side}"])] for side in ("_old", "_new", "")]
    found = brute.account(models, kind)
    candidate, new = found["candidates"][0], found["comparison"]
    assert (row["kind"], int(row["n"])) == (kind, found["n"])
    expected = {
        "old_score": found["old"]["score"],
        "new_score": found["new"]["score"],
        "score": candidate["score"],
        **{f"{name}_new": new[name] for name in ("nfr", "nfr_mc", "pfr")},
        **{name: candidate["comparison"][name] for name in ("nfr", "nfr_mc", "pfr")},
    }
    for name, value in expected.items():
        assert (float(row[name]) if row[name] else None) == (None if value is None else pytest.approx(value)), name
