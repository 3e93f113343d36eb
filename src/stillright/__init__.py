"""stillright keeps right answers right when a language model is updated.

Public names are loaded when first used; importing the package imports neither torch nor any other heavy library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stillright.comparison import Comparison, compare
    from stillright.config import UpdateConfig, load_update, parse_update
    from stillright.errors import StillrightError
    from stillright.importers import Selection, read_predictions
    from stillright.pipeline import run_update
    from stillright.records import PredictionSet
    from stillright.training.compat import CompatTrainer
    from stillright.training.compat_config import CompatConfig

__all__ = [
    "Comparison",
    "CompatConfig",
    "CompatTrainer",
    "PredictionSet",
    "Selection",
    "StillrightError",
    "UpdateConfig",
    "compare",
    "load_update",
    "parse_update",
    "read_predictions",
    "run_update",
]

_HOMES = {
    "CompatConfig": "training.compat_config",
    "CompatTrainer": "training.compat",
    "Comparison": "comparison",
    "PredictionSet": "records",
    "Selection": "importers",
    "StillrightError": "errors",
    "UpdateConfig": "config",
    "compare": "comparison",
    "load_update": "config",
    "parse_update": "config",
    "read_predictions": "importers",
    "run_update": "pipeline",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stillright' has no attribute {name!r}")
    return getattr(import_module(f"stillright.{_HOMES[name]}"), name)
