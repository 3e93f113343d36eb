"""stillright keeps right answers right when a language model is updated.

Public names are loaded when first used; importing the package imports neither torch nor any other heavy library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stillright.compare import Comparison, compare_predictions
    from stillright.config import UpdateConfig, load_update
    from stillright.errors import StillrightError
    from stillright.pipeline import run_update
    from stillright.records import PredictionSet, read_predictions

__all__ = [
    "Comparison",
    "PredictionSet",
    "StillrightError",
    "UpdateConfig",
    "compare_predictions",
    "load_update",
    "read_predictions",
    "run_update",
]

_HOMES = {
    "Comparison": "compare",
    "PredictionSet": "records",
    "StillrightError": "errors",
    "UpdateConfig": "config",
    "compare_predictions": "compare",
    "load_update": "config",
    "read_predictions": "records",
    "run_update": "pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stillright' has no attribute {name!r}")
    return getattr(import_module(f"stillright.{_HOMES[name]}"), name)
