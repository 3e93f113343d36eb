"""Models in memory, and trainers of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compat_case import moved, pairs, settings, tokenizer
from stillright import CompatTrainer


@pytest.fixture
def models(bases: tuple[Path, Path]) -> tuple[Any, Any]:
    """The old and the new task model."""
    return moved(bases[0], seed=3), moved(bases[1], seed=4)


@pytest.fixture
def make(bases: tuple[Path, Path], models: tuple[Any, Any], tmp_path: Path) -> Callable[..., CompatTrainer]:
    """A trainer of the fixture's models on prompts and completions; arguments replace its own."""

    def made(data: Any = None, config: dict[str, Any] | None = None, **more: Any) -> CompatTrainer:
        data = pairs() if data is None else data
        arguments = {
            "model": models[1],
            "old_model": models[0],
            "train_dataset": data,
            "eval_dataset": data,
            "processing_class": tokenizer(bases[1]),
        }
        return CompatTrainer(args=settings(tmp_path, **(config or {})), **{**arguments, **more})

    return made
