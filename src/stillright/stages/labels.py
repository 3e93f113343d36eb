"""What the labels teach beyond the task adapter: the new one, trained further on the right answers alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

from stillright.config.study import StageKind
from stillright.stages.cost import StageCost
from stillright.stages.data import Data, choices_digest, texts_digest
from stillright.stages.inputs import Inputs, training_inputs
from stillright.stages.stage import Model, Site, Stage


@dataclass(frozen=True, eq=False, kw_only=True)
class Labels(Stage):
    """Of choices, the right one is to be the likeliest; of generated answers, every token of it is."""

    model: Model

    kind: ClassVar[StageKind] = "fit"
    is_training = True

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        training, seed = training_inputs(self.config, self.base), self.config.align_seed
        return {**training, **models, "lora": self.config.lora.model_dump(), "seed": seed, "learns": "labels"}

    def reads(self, data: Data) -> Inputs:
        if data.task.is_choice:
            return {"choices": choices_digest(chain(*data.own_choices(self.base)))}
        return {"texts": texts_digest(chain(*data.texts(self.base)))}

    def build(self, site: Site) -> None:
        job, model = self.job(site, self.config.align_seed), site.models["model"]
        if site.data.task.is_choice:
            from stillright.training.choice.choice_trainer import fit_right_choices

            fit_right_choices(model, site.data.own_choices(self.base), job)
        else:
            from stillright.training.lora import fit_adapter

            fit_adapter(model, site.data.texts(self.base), self.config.lora, job)

    def cost(self, data: Data) -> StageCost:
        if data.task.is_choice:
            lengths = [text.tokens(apart=False) for text in data.own_choices(self.base).train]
        else:
            lengths = [len(text.ids) for text in data.texts(self.base).train]
        return self.training_cost(self.model, lengths)
