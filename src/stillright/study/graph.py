"""The stages that the cells of a study need. Those with equal keys are one piece of work. Computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from stillright.stages.combine import Carry, Interpolate
from stillright.stages.labels import Labels
from stillright.stages.stage import Model, Stage
from stillright.stages.update import aligned, answers_of, answers_together, continued, old_model, task_model
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
        by_old, by_new = (
            answers_of(model, cell.shared, _name(cell, of)) for model, of in ((old, cell.old), (new, cell.new))
        )
        if cell.recipe.baseline == "retrain":
            own = (new, by_new) if isinstance(new, Stage) else (by_new,)
            return CellStages(by_old, by_new, by_new, own)
        if cell.recipe.baseline == "ensemble":
            both = answers_together(old, new, cell.own, str(cell))
            return CellStages(by_old, by_new, both, (both,))
        candidate = self._candidate(cell, old, new)
        predicted = answers_of(candidate, cell.own, _name(cell, f"{cell.new} {cell.strategy}"))
        trained = [stage for stage in candidate.needs.values() if isinstance(stage, Labels)]
        return CellStages(by_old, by_new, predicted, (*trained, candidate, predicted))

    def _candidate(self, cell: Cell, old: Model, new: Model) -> Stage:
        name, recipe = str(cell), cell.recipe
        if recipe.baseline == "continue_ce":
            return continued(new, cell.own, name)
        if recipe.baseline == "old_adapter":
            return Carry(name=name, config=cell.own, old=old)
        if recipe.of is not None:
            mixed_in = self.cells[cell.update, cell.task, recipe.of, cell.seed]
            compat = aligned(*_task_models(mixed_in), mixed_in.own, str(mixed_in))
            return Interpolate(name=name, config=cell.own, new=new, compat=compat, weight=recipe.weight)
        return aligned(old, new, cell.own, name)


def _task_models(cell: Cell) -> tuple[Model, Model]:
    old = old_model(cell.shared, _name(cell, cell.old))
    return old, task_model(cell.shared.new, cell.shared, _name(cell, cell.new))


def _name(cell: Cell, of: str) -> str:
    return f"{of} {cell.task} seed {cell.seed}"


def closure(wanted: Iterable[Stage], is_done: Callable[[Stage], bool] = lambda _: False) -> list[Stage]:
    """These stages and all that they need, each key once and after those it needs; without what is done, and what only
    that needs, which may have been deleted."""
    found: list[Stage] = []
    seen: set[str] = set()

    def visit(stage: Stage) -> None:
        if stage.key in seen:
            return
        seen.add(stage.key)
        if not is_done(stage):
            for need in stage.needs.values():
                visit(need)
            found.append(stage)

    for stage in wanted:
        visit(stage)
    return found
