"""The cells of a study, each with the update.yaml it amounts to."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from stillright.config import StudyConfig, UpdateConfig, parse_update, with_key
from stillright.config.study import Override, StudyStrategy, StudyUpdate
from stillright.errors import ConfigError, ModelError
from stillright.models import ModelRef, Source, compute_dtype


class Cell(NamedTuple):
    """One update, task, strategy and seed."""

    update: str
    old: str  # names of bases
    new: str
    task: str
    strategy: str
    seed: int
    recipe: StudyStrategy
    shared: UpdateConfig  # of the task adapters, which all strategies share
    own: UpdateConfig  # of what is trained for this strategy

    def __str__(self) -> str:
        return f"{self.update} {self.task} {self.strategy} seed {self.seed}"


def cells_of(config: StudyConfig, source: str) -> list[Cell]:
    """All cells, in the order of the file. Raises ConfigError naming `source`, and the cell that has a wrong key."""
    if file := next((name for name, base in config.bases.items() if Path(base).is_file()), None):
        raise ConfigError(
            f"{source}: bases.{file}: {config.bases[file]} is a file; a study compares models. Where the old one is "
            "gone and its answers are left, use stillright run"
        )
    config = config.model_copy(update={"bases": {name: _pinned(base) for name, base in config.bases.items()}})
    axes = product(config.updates, config.tasks, config.seeds, config.strategies)
    return [_cell(config, update, task, strategy, seed, source) for update, task, seed, strategy in axes]


def _cell(config: StudyConfig, update: StudyUpdate, task: str, strategy: str, seed: int, source: str) -> Cell:
    recipe = config.strategies[strategy]
    place = {"update": update.name, "old": update.old, "new": update.new, "task": task, "seed": seed}
    values = {
        **_with({"split_seed": 0}, config.common),  # all seeds answer the same rows
        "old": config.bases[update.old],
        "new": config.bases[update.new],
        "task": _absolute_files(config.tasks[task].model_dump()),
        "seed": seed,
        "controls": (),
        "out": config.out.resolve(),  # of the study, on every node
    }
    where = f"{source}: common and overrides of {update.name} {task} {strategy}"
    labelled = {**values, "task": {**values["task"], "unlabelled": None}}
    shared = parse_update(_overridden(labelled, config.overrides, {**place, "strategy": None}), where)
    own_values = {**(labelled if recipe.baseline else values), "strategy": recipe.distillation()}
    own = parse_update(_overridden(own_values, config.overrides, {**place, "strategy": strategy}), where)
    shared, own = (_with_plain_dtype(each) for each in (shared, own))
    return Cell(update.name, update.old, update.new, task, strategy, seed, recipe, shared, own)


def _with_plain_dtype(config: UpdateConfig) -> UpdateConfig:
    """`auto` resolved here, so that every node uses the same."""
    return config.model_copy(update={"dtype": str(compute_dtype(config.dtype)).removeprefix("torch.")})


def _overridden(values: dict[str, Any], overrides: list[Override], place: dict[str, Any]) -> dict[str, Any]:
    for override in overrides:
        where = override.where.model_dump(exclude_none=True)
        if all(place[key] == value for key, value in where.items()):
            values = _with(values, override.set)
    return values


def _with(values: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with settings whose keys may be dotted."""
    for key, value in settings.items():
        values = with_key(values, key, value)
    return values


def _pinned(base: str) -> str:
    """What every node finds the same: a folder's absolute path, a hub id with its commit. A base that cannot be found
    is unchanged, so that only the cells that need it fail."""
    try:
        ref = ModelRef.parse(base)
        return "+".join(str(Source(each.location, each.commit)) for each in (ref.base, ref.adapter) if each)
    except ModelError:
        return base


def _absolute_files(task: dict[str, Any]) -> dict[str, Any]:
    files = {key: task[key].resolve() for key in ("train", "test", "unlabelled") if task[key] is not None}
    return {**task, **files}
