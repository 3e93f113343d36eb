"""Whether a strategy can be used for a task and two bases at all, seen before anything is trained."""

from __future__ import annotations

from stillright.data import Data
from stillright.errors import ModelError, TaskError
from stillright.study.matrix import Cell


def misfit(cell: Cell) -> str | None:
    """Why the cell's strategy is not applicable, in one line; None where it is.

    Raises StillrightError where task or bases cannot be read.
    """
    if cell.recipe.baseline is not None:
        return None
    data = Data(cell.own)
    if not cell.own.strategy.is_choice:
        for base in (data.old.base, data.new.base):
            data.texts(base)  # errors of these are no misfits
    try:
        data.refuse_misfits()
    except (ModelError, TaskError) as error:
        return " ".join(str(error).split())
    return None
