"""A study that takes seconds, and running it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stillright.cli import main
from study_rows import Row, rows_of


@pytest.fixture
def values(bases: tuple[Path, Path], choice_task: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """One update of one task, three strategies."""
    return {
        "bases": {"small": str(bases[0]), "large": str(bases[1])},
        "updates": [["small", "large"]],
        "tasks": {"colours": choice_task},
        "strategies": {"retrain": {}, "continue_ce": {}, "student_wrong": {}},
        "common": {
            "lora": {"r": 4, "alpha": 8},
            "training": {"epochs": 1, "learning_rate": 0.01, "batch_size": 8, "max_length": 64},
            "dtype": "float32",
        },
        "out": str(tmp_path / "study"),
    }


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[int, list[Row]]]:
    """Runs a study by its command; the exit code, and the rows of cells.csv."""

    def run(values: dict[str, Any], *options: str) -> tuple[int, list[Row]]:
        file = tmp_path / "study.yaml"
        file.write_text(yaml.safe_dump(values, sort_keys=False))
        code = main(["study", str(file), *options])
        return code, rows_of(Path(values["out"]))

    return run
