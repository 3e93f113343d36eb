"""Every recipe runs: on bases of the same architectures and vocabularies, and on rows of the same columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipes import BASES, task_files, write_base
from stillright.cli import main
from stillright.config import UpdateConfig, load_update, parse_update, with_overrides
from stillright.models import Source, load_tokenizer

RECIPES = Path(__file__).parent.parent / "recipes"
UPDATES = ["llama1-to-2", "vicuna1.3-to-1.5", "phi1-to-1.5", "phi1.5-to-2"]
TASKS = ["piqa", "hellaswag", "gsm8k", "samsum"]
DISTILLED = {  # update: tasks to whose distillation the paper adds cross-entropy
    "llama-1-to-llama-2": set(),
    "vicuna-1.3-to-vicuna-1.5": set(),
    "phi-1-to-phi-1.5": {"piqa", "hellaswag", "gsm8k", "samsum"},
    "phi-1.5-to-phi-2": {"hellaswag", "gsm8k"},
}
SMALL = {
    "lora.r": 4,
    "lora.alpha": 8,
    "training.epochs": 1,
    "training.batch_size": 4,
    "training.gradient_accumulation": 1,
    "training.learning_rate": 0.01,
    "training.max_length": 512,
    "dtype": "float32",
}
StandIn = Callable[[str], Path]


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """The folder of a tiny base for an id of the hub, each made once."""
    return cache(lambda hub_id: write_base(hub_id, tmp_path_factory.mktemp("base")))


def study(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((RECIPES / f"{name}.yaml").read_text())
    return values


def small(config: UpdateConfig, task: str, stand_in: StandIn, folder: Path) -> list[str]:
    """Arguments that replace bases, data and sizes of an update."""
    files = {f"task.{split}": path for split, path in task_files(task, folder).items()}
    bases = {"old": stand_in(config.old), "new": stand_in(config.new)}
    values = {"task": task, **bases, **files, **SMALL, "out": folder / "run"}
    return [argument for key, value in values.items() for argument in ("--set", f"{key}={value}")]


@pytest.mark.parametrize(("recipe", "task"), list(zip(UPDATES, TASKS, strict=True)))
def test_an_update_of_the_paper_runs(recipe: str, task: str, stand_in: StandIn, tmp_path: Path) -> None:
    path = RECIPES / f"{recipe}.yaml"
    assert main(["run", str(path), *small(load_update(path), task, stand_in, tmp_path)]) == 0
    comparison = json.loads((tmp_path / "run/comparison.json").read_text())
    assert (comparison["task"], comparison["n"], comparison["unscored"]) == (task, 4, 0)
    assert [candidate["name"] for candidate in comparison["candidates"]] == ["compat", "continue_ce"]
    training = json.loads((tmp_path / "run/adapters/compat/training.json").read_text())
    assert training["steps"] == 3  # 10 of 12 texts, 4 a step
