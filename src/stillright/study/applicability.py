"""Whether a strategy can be used for a task and two bases at all, checked before anything is trained."""

from __future__ import annotations

from stillright.errors import ModelError, TaskError
from stillright.study.baselines import refuse_other_shapes
from stillright.study.matrix import Cell
from stillright.study.shared_data import SharedData


def misfit(cell: Cell, shared: SharedData) -> str | None:
    """Why the cell's strategy is not applicable, in one line; None where it is.

    For an interpolation, ask about the cell whose adapter it takes (Graph.distilled).
    Raises StillrightError where task or bases cannot be read.
    """
    baseline = cell.recipe.baseline
    if baseline in ("retrain", "continue_ce"):
        return None
    data = shared.data(cell.own)
    if baseline == "ensemble":
        return None if data.task.is_choice else f"task {data.task.name}: an ensemble needs choices"
    if baseline is None and not cell.own.strategy.is_choice:
        for base in (data.old.base, data.new.base):
            data.texts(base)  # an error here fails the cell, and is not a misfit
    try:
        if baseline == "old_adapter":
            refuse_other_shapes(data.old.base, data.new.base)
        else:
            data.refuse_misfits(cell.own.strategy)
    except (ModelError, TaskError) as error:
        return " ".join(str(error).split())
    return None
