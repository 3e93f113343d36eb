"""The stages that the cells of a study need. Those with equal keys are one piece of work. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from stillright.config import UpdateConfig
from stillright.stages.align import Align
from stillright.stages.combine import Carry, Interpolate
from stillright.stages.predict import Ensemble, Predict
from stillright.stages.stage import Model, Stage
from stillright.stages.update import aligned, answers_of, continued, task_model
from stillright.study.matrix import Cell


class CellStages(NamedTuple):
    """The predictions a cell compares, and the stages whose cost is its own."""

    old: Stage
    new: Stage
    candidate: Stage
    own: tuple[Stage, ...]

    @property
    def predictions(self) -> tuple[Stage, Stage, Stage]:
        """Those of old, new and candidate; for `retrain` the last two are one."""
        return self.old, self.new, self.candidate


class Graph:
    """Knows the stages of every cell."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self.cells = {(cell.update, cell.task, cell.strategy, cell.seed): cell for cell in cells}

    def stages_of(self, cell: Cell) -> CellStages:
        """Raises ModelError where a base cannot be found."""
        old, new = _task_models(cell)
        by_old, by_new = _answers(cell, old, cell.old, cell.shared), _answers(cell, new, cell.new, cell.shared)
        if cell.recipe.baseline == "retrain":
            own = (new, by_new) if isinstance(new, Stage) else (by_new,)
            return CellStages(by_old, by_new, by_new, own)
        if cell.recipe.baseline == "ensemble":
            both = Ensemble(name=str(cell), config=cell.own, old=old, model=new)
            return CellStages(by_old, by_new, both, (both,))
        candidate = self._candidate(cell, old, new)
        predicted = _answers(cell, candidate, f"{cell.new} {cell.strategy}", cell.own)
        return CellStages(by_old, by_new, predicted, (candidate, predicted))

    def _candidate(self, cell: Cell, old: Model, new: Model) -> Stage:
        name, recipe = str(cell), cell.recipe
        if recipe.baseline == "continue_ce":
            return continued(new, cell.own, name)
        if recipe.baseline == "old_adapter":
            return Carry(name=name, config=cell.own, old=old)
        if recipe.of is not None:
            distilled = self.cells[cell.update, cell.task, recipe.of, cell.seed]
            return Interpolate(name=name, config=cell.own, new=new, compat=_aligned(distilled), weight=recipe.weight)
        return aligned(old, new, cell.own, name)


def _task_models(cell: Cell) -> tuple[Model, Model]:
    bases = ((cell.old, cell.shared.old), (cell.new, cell.shared.new))
    old, new = (task_model(model, cell.shared, _name(cell, base)) for base, model in bases)
    return old, new


def _aligned(cell: Cell) -> Align:
    return aligned(*_task_models(cell), cell.own, str(cell))


def _answers(cell: Cell, model: Model, of: str, config: UpdateConfig) -> Predict:
    return answers_of(model, config, _name(cell, of))


def _name(cell: Cell, of: str) -> str:
    return f"{of} {cell.task} seed {cell.seed}"


def closure(wanted: Iterable[Stage]) -> list[Stage]:
    """These stages and all that they need, by kind; each key once."""
    found: dict[str, Stage] = {}
    left = list(wanted)
    while left:
        stage = left.pop()
        if stage.key not in found:
            found[stage.key] = stage
            left += stage.needs.values()
    return sorted(found.values(), key=lambda stage: stage.kind)
