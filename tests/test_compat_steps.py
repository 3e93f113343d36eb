"""What CompatTrainer does in a step: which models are in memory, and the gradient, against three models at work."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stillright import CompatTrainer
from stillright.models import load_model
from stillright.training.teachers import source
from test_compat_api import models
from test_compat_kept import make

__all__ = ["make", "models"]  # fixtures


def test_an_old_model_by_name_is_gone_when_training_begins(
    bases: tuple[Path, Path],
    models: tuple[Any, Any],
    make: Callable[..., CompatTrainer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every weight of it, while Python collects no garbage by itself."""
    models[0].save_pretrained(tmp_path / "old")
    kept: list[weakref.ref[Any]] = []

    def loaded(*args: Any, **kwargs: Any) -> Any:
        model = load_model(*args, **kwargs)
        kept.extend(map(weakref.ref, model.parameters()))
        return model

    monkeypatch.setattr(source, "load_model", loaded)
    gc.disable()
    try:
        make(old_model=f"{bases[0]}+{tmp_path / 'old'}")
        assert kept
        assert not any(weight() is not None for weight in kept)
    finally:
        gc.enable()
