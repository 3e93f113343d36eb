"""Whether a strategy can be used for a task and two bases at all, checked before anything is trained."""

from __future__ import annotations

from stillright.errors import ModelError, TaskError
from stillright.prediction.ensemble import refuse_unlike
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
    bases = data.old.base, data.new.base
    if baseline == "ensemble" and data.task.is_choice:
        return None
    if baseline == "ensemble" or (baseline is None and not cell.own.strategy.is_choice):
        for base in bases:
            data.texts(base)  # an error here fails the cell, and is not a misfit
    try:
        if baseline == "ensemble":
            refuse_unlike(data.task, bases)
        elif baseline == "old_adapter":
            refuse_other_shapes(*bases)
        else:
            data.refuse_misfits(cell.own.strategy)
    except (ModelError, TaskError) as error:
        return " ".join(str(error).split())
    return None
