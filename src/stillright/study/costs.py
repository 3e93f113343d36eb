"""What the stages of a study will cost on an accelerator, estimated as for one update; equal work is estimated once."""

from __future__ import annotations

from typing import Any

from stillright.estimate.plan import Plan, StageCost
from stillright.folder.workspace import fingerprint
from stillright.stages.inputs import predict_inputs, text_inputs
from stillright.study.shared_data import SharedData
from stillright.study.stages import Stage

PREDICTING = ("predict", "ensemble")
FREE = ("carry", "interpolate")  # they read and write adapters


class Costs:
    """Costs of stages; texts are tokenized, and models counted, once for all that share them."""

    def __init__(self, shared: SharedData) -> None:
        self.shared = shared
        self._costs: dict[str, StageCost] = {}

    def of(self, stage: Stage) -> StageCost | None:
        """What a stage will cost; None for next to nothing. Raises StillrightError where what it reads is wrong."""
        if stage.kind in FREE:
            return None
        key = fingerprint({"kind": stage.kind, "of": _whose(stage), **_determining(stage)})
        if key not in self._costs:
            self._costs[key] = _cost(stage, Plan(self.shared.data(stage.config), True, stage.config))
        return self._costs[key]


def _whose(stage: Stage) -> int:
    """Of a teacher, which of the two it is: 0 for old, 1 for new."""
    return int(stage.kind == "teach" and stage.needs["model"].config.new != stage.config.old)


def _determining(stage: Stage) -> dict[str, Any]:
    config = stage.config
    if stage.kind in PREDICTING:
        return predict_inputs(config, config.new if stage.kind == "predict" else f"{config.old} {config.new}")
    settings = config.model_dump(
        mode="json", include={"old", "new", "training", "lora", "strategy", "teachers", "dtype"}
    )
    return {**settings, "texts": text_inputs(config)}


def _cost(stage: Stage, plan: Plan) -> StageCost:
    if stage.kind == "fit":
        return plan.fit(stage.name, plan.data.new)
    if stage.kind == "teach":
        return plan.align()[_whose(stage)]
    if stage.kind == "align":
        return plan.align()[-1]
    new = plan.predict("new")
    return new if stage.kind == "predict" else _together(plan.predict("old"), new)


def _together(old: StageCost, new: StageCost) -> StageCost:
    return new._replace(memory=old.memory + new.memory, flops=old.flops + new.flops)
