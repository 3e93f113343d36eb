"""The stages that cells need, each keyed by what determines it, so that cells share them. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from stillright.config import UpdateConfig
from stillright.config.study import StageKind
from stillright.folder.workspace import fingerprint
from stillright.models import ModelRef, Source, longest_text, shared_vocabulary
from stillright.stages.inputs import align_inputs, fit_inputs, predict_inputs, score_inputs, teach_inputs, text_inputs
from stillright.study.matrix import Cell
from stillright.training.choice.choice_loss import LABELS_ALONE
from stillright.training.teachers.forms import form_of


@dataclass(frozen=True, eq=False)
class Stage:
    """One piece of work. The model it makes sits on `config.new`; `needs` are the stages it reads."""

    kind: StageKind
    name: str  # what it makes, for people: no part of the key
    key: str  # fingerprint of kind, settings, bases, data and of all that it needs
    config: UpdateConfig
    needs: Mapping[str, Stage]
    weight: float = 0.0  # of an interpolation

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.kind} {self.name}"

    @property
    def folder(self) -> str:
        """The folder of its result in the store."""
        return f"{self.kind}-{self.key[:16]}"


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
    """Makes the stages of cells; equal ones are one object."""

    def __init__(self, cells: list[Cell]) -> None:
        self.cells = {(cell.update, cell.task, cell.strategy, cell.seed): cell for cell in cells}
        self.stages: dict[str, Stage] = {}

    def stages_of(self, cell: Cell) -> CellStages:
        """Raises ModelError where a base cannot be found."""
        old, new = self._fit(cell, cell.old), self._fit(cell, cell.new)
        by_old, by_new = self._predict(cell, old, cell.old), self._predict(cell, new, cell.new)
        if cell.recipe.baseline == "retrain":
            return CellStages(by_old, by_new, by_new, (new, by_new))
        if cell.recipe.baseline == "ensemble":
            both = self._ensemble(cell, old, new)
            return CellStages(by_old, by_new, both, (both,))
        candidate = self._candidate(cell, old, new)
        predicted = self._predict(cell, candidate, f"{cell.new} {cell.strategy}")
        return CellStages(by_old, by_new, predicted, (candidate, predicted))

    def distilled(self, cell: Cell) -> Cell:
        """The cell whose strategy is distilled for `cell`: for an interpolation the one whose adapter it takes."""
        if cell.recipe.of is None:
            return cell
        return self.cells[cell.update, cell.task, cell.recipe.of, cell.seed]

    def _candidate(self, cell: Cell, old: Stage, new: Stage) -> Stage:
        if cell.recipe.baseline == "continue_ce":
            return self._continue(cell, new)
        if cell.recipe.baseline == "old_adapter":
            return self._carry(cell, old)
        if cell.recipe.baseline == "interpolation":
            return self._interpolate(cell, new)
        return self._align(cell, old, new)

    def _stage(
        self,
        kind: StageKind,
        name: str,
        config: UpdateConfig,
        inputs: Mapping[str, Any],
        needs: Mapping[str, Stage],
        weight: float = 0.0,
    ) -> Stage:
        key = fingerprint({"kind": kind, **inputs})
        return self.stages.setdefault(key, Stage(kind, name, key, config, needs, weight))

    def _fit(self, cell: Cell, base: str) -> Stage:
        model = cell.shared.old if base == cell.old else cell.shared.new
        config = cell.shared.model_copy(update={"old": model, "new": model})
        inputs = fit_inputs(config, ModelRef.parse(model).fingerprint())
        return self._stage("fit", f"{base} {cell.task} seed {cell.seed}", config, inputs, {})

    def _continue(self, cell: Cell, model: Stage) -> Stage:
        """The new adapter, trained further with the seed of alignment."""
        config = cell.own.model_copy(update={"old": cell.own.new, "fit_seed": cell.own.align_seed})
        return self._stage("fit", str(cell), config, fit_inputs(config, model.key), {"model": model})

    def _align(self, cell: Cell, old: Stage, new: Stage) -> Stage:
        needs = {"old": old, "new": new, **self._teachers(cell, old, new)}
        return self._stage("align", str(cell), cell.own, align_inputs(cell.own, old.key, new.key), needs)

    def _teachers(self, cell: Cell, old: Stage, new: Stage) -> dict[str, Stage]:
        """Those who say beforehand what the strategy asks."""
        strategy = cell.own.strategy
        if not strategy.is_choice and cell.own.teachers.form == "live":
            return {}
        teach = self._score if strategy.is_choice else self._teach
        asked = {"old": old} if strategy.mask in LABELS_ALONE else {"old": old, "new": new}
        return {f"teach_{role}": teach(cell, model) for role, model in asked.items()}

    def _carry(self, cell: Cell, old: Stage) -> Stage:
        inputs = {"model": old.key, "base": ModelRef.parse(cell.own.new).fingerprint()}
        return self._stage("carry", str(cell), cell.own, inputs, {"old": old})

    def _interpolate(self, cell: Cell, new: Stage) -> Stage:
        """With the compat adapter of another cell."""
        distilled = self.distilled(cell)
        compat = self._align(distilled, self._fit(distilled, distilled.old), self._fit(distilled, distilled.new))
        inputs = {"new": new.key, "compat": compat.key, "weight": cell.recipe.weight}
        return self._stage(
            "interpolate", str(cell), cell.own, inputs, {"new": new, "compat": compat}, cell.recipe.weight
        )

    def _ensemble(self, cell: Cell, old: Stage, new: Stage) -> Stage:
        inputs = predict_inputs(cell.own, f"{old.key} {new.key}")
        return self._stage("ensemble", str(cell), cell.own, inputs, {"old": old, "new": new})

    def _teach(self, cell: Cell, model: Stage) -> Stage:
        vocabulary = shared_vocabulary(_bases(cell.own))
        form = form_of(cell.own.teachers, cell.own.strategy.temperature)._asdict()
        inputs = teach_inputs(cell.own, model.key, _read(cell.own), form, vocabulary)
        return self._stage("teach", model.name, cell.own, inputs, {"model": model})

    def _score(self, cell: Cell, model: Stage) -> Stage:
        """The same over choices."""
        inputs = score_inputs(cell.own, model.key, _read(cell.own))
        return self._stage("teach", f"{model.name} choices", cell.own, inputs, {"model": model})

    def _predict(self, cell: Cell, model: Stage, of: str) -> Stage:
        name, inputs = f"{of} {cell.task} seed {cell.seed}", predict_inputs(model.config, model.key)
        return self._stage("predict", name, model.config, inputs, {"model": model})


def _read(config: UpdateConfig) -> str:
    """A fingerprint of what determines the texts that teachers read."""
    longest = longest_text(_bases(config), config.training.max_length)
    return fingerprint({**text_inputs(config), "max_length": longest})


def _bases(config: UpdateConfig) -> list[Source]:
    return [ModelRef.parse(base).base for base in (config.old, config.new)]
