"""recipes/tiny.yaml, on fewer rows: every cell is done, and tables are what its prediction files give."""

from __future__ import annotations

from pathlib import Path

import pytest

from places import ROOT
from recount import FIGURES, FILES, assert_table
from stillright.cli import main
from study_rows import assert_row_is_what_its_files_say, read, rows_of

TASKS = ("choices", "kinds", "docstrings")


def test_the_tiny_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    out = tmp_path / "tiny"
    small = [f"tasks.{task}.{rows}_limit=30" for task in TASKS for rows in ("train", "test")]
    settings = [argument for value in (f"out={out}", *small) for argument in ("--set", value)]
    assert main(["study", "recipes/tiny.yaml", *settings]) == 0
    cells = rows_of(out)
    assert [cell["status"] for cell in cells] == ["done"] * 18
    for cell in cells:
        assert_row_is_what_its_files_say(cell, out)
    answers = {path: read(out / path) for path in {cell[name] for cell in cells for name in FILES}}
    for name, rows in {"discrete": 12, "continuous": 6, "ablation": 12}.items():
        assert len(assert_table(out / f"tables/{name}.csv", cells, answers)) == rows
    for name in FIGURES:
        assert (out / f"figures/{name}.svg").read_text(encoding="utf-8").startswith("<?xml")
        assert (out / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
