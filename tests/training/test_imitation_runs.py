"""How well the student imitates, as whole runs tell it."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from samples import colour_rows, generation, write_rows
from stillright.config import parse_update
from stillright.pipeline import run_update


def aligned(values: dict[str, Any], **strategy: Any) -> tuple[dict[str, Any], str]:
    """Runs the update; what stands beside its compat adapter, and what was printed."""
    console = Console(file=io.StringIO(), width=1000)
    run_update(parse_update({**values, "strategy": strategy}, "test"), console)
    assert isinstance(console.file, io.StringIO)
    training = json.loads((Path(values["out"]) / "adapters/compat/training.json").read_text())
    return training, console.file.getvalue()


@pytest.fixture
def quick(update_values: dict[str, Any]) -> dict[str, Any]:
    """One epoch, and 16 of 80 rows for validation."""
    train = write_rows(Path(update_values["task"]["train"]), colour_rows(80, seed=0))
    task, training = {**update_values["task"], "train": str(train)}, {**update_values["training"], "epochs": 1}
    return {**update_values, "task": task, "training": training}


def assert_whole(found: dict[str, Any], n: int) -> None:
    """Finite, with an interval around each value."""
    assert found["n"] == n
    for name in ("slope", "correlation", "r2"):
        low, value, high = (found[name][bound] for bound in ("low", "value", "high"))
        assert math.isfinite(low)
        assert low <= value <= high


@pytest.mark.parametrize("strategy", [{"mask": "old_only"}, {"mask": "choice"}, {"mask": "choice_ce"}])
def test_over_tokens_and_choices(quick: dict[str, Any], strategy: dict[str, Any]) -> None:
    training, printed = aligned(quick, **strategy)
    assert_whole(training["imitation"], n=16)
    assert f"align compat: follows old: slope {training['imitation']['slope']['value']:.2f} [" in printed
    fitted = json.loads((Path(quick["out"]) / "adapters/new/training.json").read_text())
    assert "imitation" not in fitted


def test_over_generated_answers(quick: dict[str, Any]) -> None:
    training, _ = aligned({**quick, "task": generation(quick["task"], "exact_match")}, mask="old_only")
    assert_whole(training["imitation"], n=16)


@pytest.mark.parametrize("mask", ["old_only", "choice", "choice_ce"])
def test_a_student_that_stays_new_follows_nothing(quick: dict[str, Any], mask: str) -> None:
    """Its steps are too large to help, so the adapter is kept as it began; every way to ask new gives its scores."""
    quick["training"] = {**quick["training"], "learning_rate": 1e-12}
    found = aligned(quick, mask=mask)[0]["imitation"]
    assert found["slope"]["value"] == pytest.approx(0, abs=1e-4)
    assert found["r2"]["value"] == pytest.approx(0, abs=1e-4)


def test_of_an_old_model_that_is_gone_nothing_is_said(quick: dict[str, Any], tmp_path: Path) -> None:
    rows = [
        json.loads(line) for name in ("train", "test") for line in Path(quick["task"][name]).read_text().splitlines()
    ]
    log = [{"id": row["id"], "prediction": str(row["label"]), "reference": str(row["label"])} for row in rows]
    answers = {"train": str(write_rows(tmp_path / "log.jsonl", log)), "test": str(tmp_path / "log.jsonl")}
    training, printed = aligned({**quick, "old": answers}, mask="choice")
    assert "imitation" not in training
    assert "follows old" not in printed
