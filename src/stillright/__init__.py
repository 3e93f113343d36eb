"""stillright keeps right answers right when a language model is updated.

Public names are loaded when first used; importing the package imports neither torch nor any other heavy library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stillright.comparison import Comparison, compare
    from stillright.config import (
        Limit,
        Policy,
        StudyConfig,
        UpdateConfig,
        load_policy,
        load_study,
        load_update,
        parse_update,
    )
    from stillright.errors import StillrightError
    from stillright.importers import Selection, read_frame, read_predictions, write_predictions
    from stillright.pipeline import run_update
    from stillright.records import Header, PredictionSet
    from stillright.scoring.judge import JudgeSettings
    from stillright.study.run import run_study
    from stillright.training.compat import CompatTrainer
    from stillright.training.compat_config import CompatConfig
    from stillright.verdict import Verdict, gate

    __version__: str

__all__ = [
    "Comparison",
    "CompatConfig",
    "CompatTrainer",
    "Header",
    "JudgeSettings",
    "Limit",
    "Policy",
    "PredictionSet",
    "Selection",
    "StillrightError",
    "StudyConfig",
    "UpdateConfig",
    "Verdict",
    "__version__",
    "compare",
    "gate",
    "load_policy",
    "load_study",
    "load_update",
    "parse_update",
    "read_frame",
    "read_predictions",
    "run_study",
    "run_update",
    "write_predictions",
]

_HOMES = {
    "Comparison": "comparison",
    "CompatConfig": "training.compat_config",
    "CompatTrainer": "training.compat",
    "Header": "records",
    "JudgeSettings": "scoring.judge",
    "Limit": "config",
    "Policy": "config",
    "PredictionSet": "records",
    "Selection": "importers",
    "StillrightError": "errors",
    "StudyConfig": "config",
    "UpdateConfig": "config",
    "Verdict": "verdict",
    "compare": "comparison",
    "gate": "verdict",
    "load_policy": "config",
    "load_study": "config",
    "load_update": "config",
    "parse_update": "config",
    "read_frame": "importers",
    "read_predictions": "importers",
    "run_study": "study.run",
    "run_update": "pipeline",
    "write_predictions": "importers",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("stillright")
    if name not in _HOMES:
        raise AttributeError(f"module 'stillright' has no attribute {name!r}")
    return getattr(import_module(f"stillright.{_HOMES[name]}"), name)
