"""Recipes and the examples of docs/study.md are valid, and what recipes read is what their scripts make."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from places import ROOT
from stillright.cli import parser
from stillright.config import load_study
from stillright.study.matrix import cells_of

DOCS = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")


def test_the_tiny_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its tasks are cut from the demo's data by its script."""
    monkeypatch.chdir(ROOT)
    cells = cells_of(load_study(Path("recipes/tiny.yaml")), "recipes/tiny.yaml")
    assert len(cells) == 2 * 3 * 3
    spec = importlib.util.spec_from_file_location("make", ROOT / "recipes/tiny/make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    monkeypatch.setattr(make, "FOLDER", tmp_path)
    make.write_tasks()
    for split in ("train", "test"):
        assert (tmp_path / f"{split}.jsonl").read_bytes() == (ROOT / f"recipes/tiny/{split}.jsonl").read_bytes()
    headings = ["os.path.join(a, *paths)", "io.BytesIO.read(self)", "email._Policy(x)", "abs(x)"]
    assert [make.kind(heading) for heading in headings] == ["function", "method", "class", "function"]


@pytest.mark.parametrize(
    ("file", "cells"),
    [
        ("recipes/demo.yaml", 3 * 11 * 3),
        ("recipes/keep.yaml", 5 * 2 * 4 * 3),
        ("examples/smollm2/study.yaml", 2 * 4 * 8 * 3),
        ("examples/smollm2/keep.yaml", 3 * 1 * 4 * 3),
    ],
)
def test_studies_that_take_longer_are_valid(file: str, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert len(cells_of(load_study(Path(file)), file)) == cells


def test_the_example_of_the_docs(tmp_path: Path) -> None:
    example, resources = re.findall(r"```yaml\n(.*?)```", DOCS, flags=re.DOTALL)
    file = tmp_path / "study.yaml"
    file.write_text(example + resources)
    config = load_study(file)
    cells = cells_of(config, "docs")
    assert len(cells) == 2 * 5 * 3
    epochs = {(cell.task, cell.own.training.epochs, cell.shared.training.epochs) for cell in cells}
    assert epochs == {("piqa", 1, 1), ("own", 3, 3)}
    rates = {(cell.strategy == "warm", cell.own.training.learning_rate, cell.shared.lora.r) for cell in cells}
    assert rates == {(True, 5e-5, 32), (False, 1e-4, 32)}


@pytest.mark.parametrize("command", re.findall(r"^(stillright .*?)(?:  #.*)?$", DOCS, flags=re.MULTILINE))
def test_commands_of_the_docs_parse(command: str) -> None:
    assert callable(parser().parse_args(shlex.split(command)[1:]).action)
