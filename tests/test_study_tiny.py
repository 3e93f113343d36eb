"""recipes/tiny.yaml, as a user runs it: every cell is done, and tables say what the prediction files say."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from stillright.cli import main
from test_study import assert_row_is_what_its_files_say, rows_of

ROOT = Path(__file__).parent.parent


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_tiny_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    out = tmp_path / "tiny"
    assert main(["study", "recipes/tiny.yaml", "--set", f"out={out}"]) == 0
    rows = rows_of(out)
    assert [row["status"] for row in rows] == ["done"] * 18
    for row in rows:
        assert_row_is_what_its_files_say(row, out)
    cells = {(row["update"], row["task"], row["strategy"]): row for row in rows}
    written = [*table(out / "tables/discrete.csv"), *table(out / "tables/continuous.csv")]
    assert len(written) == 18
    for row in written:
        cell = cells[row["update"], row["task"], row["strategy"]]
        for name in ("score", "nfr_new", "nfr", "pfr"):
            assert float(row[name]) == pytest.approx(float(cell[name])), (row, name)
    for name in ("quadrants", "nfr_vs_gain", "plane"):
        assert (out / "figures" / f"{name}.svg").read_text(encoding="utf-8").startswith("<?xml")
