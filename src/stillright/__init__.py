"""stillright keeps right answers right when a language model is updated.

    import stillright

    comparison = stillright.compare("old.jsonl", "new.jsonl")
    comparison.nfr, comparison.flips("lost"), comparison.to_html()
    stillright.gate("old.jsonl", "new.jsonl", "policy.yaml").verdict.outcome

Public names are loaded when first used; importing the package imports neither torch nor any other heavy library. Those
that need the extra `train` are listed where it is installed.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stillright.comparison import Comparison, SuiteComparison, compare, compare_suite
    from stillright.config.policy import Limit, Policy, load_policy
    from stillright.config.study import StudyConfig, load_study
    from stillright.config.suite import Suite, load_suite
    from stillright.config.update import UpdateConfig, load_update, parse_update
    from stillright.errors import StillrightError
    from stillright.importers import Selection, read_frame, read_predictions, write_predictions
    from stillright.pipeline import run_update
    from stillright.planning import Aim, Plan, plan
    from stillright.prediction.serving import Ensemble
    from stillright.records import Header, PredictionSet
    from stillright.report.shown import as_cell as as_cell
    from stillright.report.shown import as_figure as as_figure
    from stillright.report.shown import as_html as as_html
    from stillright.report.shown import as_markdown as as_markdown
    from stillright.scoring.judge import JudgeSettings
    from stillright.study.run import run_study
    from stillright.training.compat import CompatTrainer
    from stillright.training.compat_config import CompatConfig
    from stillright.verdict import Check, Gated, Verdict, gate, gate_suite

    __version__: str

_OF_TRAIN = ("CompatConfig", "CompatTrainer", "Ensemble", "run_study", "run_update")  # the extra
__all__ = [
    "Aim",
    "Check",
    "Comparison",
    "CompatConfig",
    "CompatTrainer",
    "Ensemble",
    "Gated",
    "Header",
    "JudgeSettings",
    "Limit",
    "Plan",
    "Policy",
    "PredictionSet",
    "Selection",
    "StillrightError",
    "StudyConfig",
    "Suite",
    "SuiteComparison",
    "UpdateConfig",
    "Verdict",
    "__version__",
    "compare",
    "compare_suite",
    "gate",
    "gate_suite",
    "load_policy",
    "load_study",
    "load_suite",
    "load_update",
    "parse_update",
    "plan",
    "read_frame",
    "read_predictions",
    "run_study",
    "run_update",
    "write_predictions",
]
if find_spec("torch") is None:  # help() and import * need every name that is listed
    for _name in _OF_TRAIN:
        __all__.remove(_name)

_NAMES = {
    "comparison": ("Comparison", "SuiteComparison", "compare", "compare_suite"),
    "config.policy": ("Limit", "Policy", "load_policy"),
    "config.study": ("StudyConfig", "load_study"),
    "config.suite": ("Suite", "load_suite"),
    "config.update": ("UpdateConfig", "load_update", "parse_update"),
    "errors": ("StillrightError",),
    "importers": ("Selection", "read_frame", "read_predictions", "write_predictions"),
    "pipeline": ("run_update",),
    "planning": ("Aim", "Plan", "plan"),
    "prediction.serving": ("Ensemble",),
    "records": ("Header", "PredictionSet"),
    "report.shown": ("as_cell", "as_figure", "as_html", "as_markdown"),  # asked for by a Comparison, not listed
    "scoring.judge": ("JudgeSettings",),
    "study.run": ("run_study",),
    "training.compat": ("CompatTrainer",),
    "training.compat_config": ("CompatConfig",),
    "verdict": ("Check", "Gated", "Verdict", "gate", "gate_suite"),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("stillright")
    if name not in _HOMES:
        raise AttributeError(f"module 'stillright' has no attribute {name!r}")
    if name in _OF_TRAIN and name not in __all__:
        raise import_module("stillright.errors").missing_extra(f"stillright.{name}", "train")
    return getattr(import_module(f"stillright.{_HOMES[name]}"), name)
