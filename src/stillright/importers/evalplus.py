"""EvalPlus: SAMPLES_eval_results.json, the state of every solution of every problem.

The metric `base` is right where the original tests pass, `plus` where those and the further ones do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from stillright.errors import DataError
from stillright.importers.grades import Judged, graded
from stillright.importers.selection import Selection, choose, refuse_unknown
from stillright.jsonl import read_json
from stillright.records import Header, PredictionSet

STATES = {"pass": True, "fail": False, "timeout": False}


class Solution(msgspec.Struct):
    """A solution of a problem, and what became of it."""

    solution: str | None = None
    base: str | None = msgspec.field(default=None, name="base_status")
    plus: str | None = msgspec.field(default=None, name="plus_status")


class Results(msgspec.Struct):
    """A whole file."""

    eval: dict[str, list[Solution]]
    hash: str | None = None  # of the problems and their tests


def read(path: Path, selection: Selection) -> PredictionSet:
    """One solution of every problem (`run`, from 1). Raises DataError for anything that EvalPlus has not written."""
    results: Results = read_json(path, Results)
    refuse_unknown(selection, {"task": (), "model": (), "filter": (), "prompt": ()}, str(path))
    runs = range(1, max(map(len, results.eval.values()), default=0) + 1)
    run = int(choose("run", list(runs), selection.run, str(path)))
    chosen = {task: found[run - 1] for task, found in results.eval.items() if len(found) >= run}
    metrics = ["base", *(["plus"] if any(each.plus is not None for each in chosen.values()) else [])]
    metric = choose("metric", metrics, selection.metric, str(path), ("plus",))
    header = Header(
        name=path.name.removesuffix(".json").removesuffix("_eval_results"),
        metric=metric,
        kind="discrete",
        settings={"problems": results.hash},
        source={"tool": "EvalPlus"},
    )
    judged = [_judged(task, each, metric, f"{path}: {task}") for task, each in chosen.items()]
    return graded(judged, header, selection, str(path))


def _judged(task: str, solution: Solution, metric: str, place: str) -> Judged:
    states = [solution.base] if metric == "base" else [solution.base, solution.plus]
    passed = [_passed(state, place) for state in states]
    value: Any = False if False in passed else None if None in passed else True
    return Judged({"id": task, "output": solution.solution}, value, {"base": solution.base, "plus": solution.plus})


def _passed(state: str | None, place: str) -> bool | None:
    """Whether the tests passed; None if they were not run. Raises DataError for a state that EvalPlus has not."""
    if state is not None and state not in STATES:
        raise DataError(f"{place}: status {state!r:.40} is none of {', '.join(STATES)}")
    return None if state is None else STATES[state]
