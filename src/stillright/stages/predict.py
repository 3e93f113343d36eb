"""The answers to the test split, of a model or of several as an ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from stillright import ranks
from stillright.config.study import StageKind
from stillright.errors import ModelError
from stillright.importers.jsonl import write_predictions
from stillright.prediction import SCORING
from stillright.prediction.ensemble import refuse_unlike
from stillright.stages.cost import StageCost
from stillright.stages.data import Data
from stillright.stages.inputs import Inputs, tested_inputs
from stillright.stages.stage import Model, Site, Stage


@dataclass(frozen=True, eq=False, kw_only=True)
class Predict(Stage):
    """The answers of one model."""

    model: Model

    kind: ClassVar[StageKind] = "predict"
    result = "predictions.jsonl"

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        return {
            **models,
            **tested_inputs(self.config),
            "scoring": SCORING,
            "batch_size": self.config.predict_batch_size,
            "max_length": self.config.training.max_length,
        }

    def build(self, site: Site) -> None:
        from stillright.prediction.predict import PredictJob, predict

        config, dtype = self.config, site.data.dtype
        job = PredictJob(self.name, dtype, config.predict_batch_size, config.training.max_length, site.progress)
        predictions = predict([*site.models.values()], site.data.task, job)
        ranks.on_main(lambda: write_predictions(predictions, site.out))

    def cost(self, data: Data) -> StageCost:
        tokens = sum(data.tested_tokens(model.base) for model in self.models.values())
        return StageCost(self.label, len(data.task.test_positions), tokens)


@dataclass(frozen=True, eq=False, kw_only=True)
class Ensemble(Predict):
    """The answers of two models together: each choice, or next token, has the mean of their log-likelihoods."""

    old: Model

    kind: ClassVar[StageKind] = "ensemble"

    @property
    def models(self) -> Mapping[str, Model]:
        return {"old": self.old, "new": self.model}

    def refuse_misfit(self, data: Data) -> None:
        if data.has_old_log:
            raise ModelError("old is only a log of its answers, but an ensemble asks both models anew")
        if not data.task.is_choice:
            refuse_unlike(data.task, data.bases)
