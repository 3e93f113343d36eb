"""Folders of logs with several tasks, made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from logs import harness_log, harness_results
from stillright.records import Header, PredictionSet


def verdicts(name: str, right: str, **more: Any) -> PredictionSet:
    """One row a letter: r right, w wrong, - unscored."""
    values = {"r": True, "w": False, "-": None}
    rows = [{"id": str(i), "output": "text", "correct": values[letter]} for i, letter in enumerate(right)]
    return PredictionSet.from_rows(Header(name=name, kind="discrete", **more), rows)


def scores(name: str, values: Sequence[float], **more: Any) -> PredictionSet:
    """One row a score."""
    return PredictionSet.from_rows(Header(name=name, **more), [{"id": i, "score": s} for i, s in enumerate(values)])


def harness_folder(folder: Path, tasks: Mapping[str, str], model: str, **results: Any) -> Path:
    """The logs of a run of lm-evaluation-harness: for each task one sample a letter, r right and w wrong."""
    for task, right in tasks.items():
        harness_log(folder, task, [float(letter == "r") for letter in right])
    harness_results(folder, list(tasks), model_name=model, **results)
    return folder
