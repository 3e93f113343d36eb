"""The compat adapter that validation proves: new, and beside it shares of some directions, such as old's weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from stillright import ranks
from stillright.events import say
from stillright.models import ModelRef, load_model
from stillright.training.memory import frees_memory
from stillright.training.search.directions import Direction, between
from stillright.training.search.question import Question
from stillright.training.search.search import Found, Grid, search
from stillright.training.settings import Job
from stillright.training.transfer.adapter import write_adapter
from stillright.training.transfer.transfer import Transferred
from stillright.training.transfer.weights import AdapterWeights

ACCOUNT = "search.json"
OLD, LABELS = "old", "labels"  # directions: old's weights; what training on the labels teaches beyond new
ALONE: Grid = {OLD: (0.15, 0.3, 0.45, 0.6, 0.8)}
TOGETHER: Grid = {OLD: (0.3, 0.5, 0.7), LABELS: (0.1, 0.2, 0.4, 0.7, 1.0)}


class Asked(NamedTuple):
    """The old task model and the new one, and the validation samples as each reads them."""

    old: ModelRef
    new: ModelRef
    of_old: Question
    of_new: Question


def auto_adapter(asked: Asked, to_old: Transferred | str, labels: ModelRef | None, job: Job) -> Found:
    """Writes the compat adapter to `job.out`, and beside it what was tried.

    to_old: a text says why there is no way to old's weights. labels: the new task model, trained further; None without.
    """
    start = AdapterWeights(asked.new.adapter)
    end = None if labels is None else AdapterWeights(labels.adapter)
    directions: dict[str, Direction] = {}
    way = None if isinstance(to_old, str) else to_old
    if way is not None:
        directions[OLD] = way.changes
    if end is not None:
        directions[LABELS] = between(start, end)
    found = _searched(asked, directions, grid_of(way is not None, end is not None), job)
    step = found.mixture.get(LABELS, 0.0)
    parts = [(1 - step, start.changes), (step, {} if end is None else end.changes)]
    if way is not None:
        parts.append((found.mixture.get(OLD, 0.0), way.changes))
    if ranks.is_main():
        write_adapter(asked.new.base, parts, job.out, None if way is None else way.embedding)
        account = {**found.account, **({"not_followed": to_old} if way is None else way.account)}
        (job.out / ACCOUNT).write_text(json.dumps(account, indent=2) + "\n", encoding="utf-8")
    return found


def grid_of(old: bool, labels: bool) -> Grid:
    """The steps to try in each direction that there is."""
    return {name: steps for name, steps in (TOGETHER if labels else ALONE).items() if old or name != OLD}


@frees_memory
def _searched(asked: Asked, directions: Mapping[str, Direction], grid: Grid, job: Job) -> Found:
    """What is found of these directions; one model is in memory at a time."""
    old = _scores(asked.old, asked.of_old, job)
    model = load_model(asked.new, job.dtype).eval()
    found = search(model, old, asked.of_new, directions, grid, job.label)
    said = ", ".join(f"{name} {step:g}" for name, step in found.mixture.items()) or "the new adapter stays"
    line = f"  {job.label}: {said}: {found.reason}"
    say(job.progress.console, line, "search", label=job.label, mixture=found.mixture, reason=found.reason)
    return found


@frees_memory
def _scores(old: ModelRef, question: Question, job: Job) -> Any:
    return question.ask(load_model(old, job.dtype).eval(), f"{job.label}, old")
