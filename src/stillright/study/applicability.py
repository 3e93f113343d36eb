"""Whether a strategy can be used for a task and two bases at all, checked before anything is trained."""

from __future__ import annotations

from stillright.errors import ModelError, TaskError
from stillright.stages.align import Align
from stillright.stages.stage import Stage
from stillright.study.graph import closure
from stillright.study.shared_data import SharedData


def misfit(candidate: Stage, shared: SharedData) -> str | None:
    """Why a cell's candidate is not applicable, in one line; None where it is.

    Raises StillrightError where task or bases cannot be read, which fails the cell.
    """
    for stage in closure([candidate]):
        data = shared.data(stage.config)
        if isinstance(stage, Align) and not stage.config.strategy.is_choice:
            stage.reads(data)  # an error here fails the cell, and is no misfit
        try:
            stage.refuse_misfit(data)
        except (ModelError, TaskError) as error:
            return " ".join(str(error).split())
    return None
