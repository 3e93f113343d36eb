"""A task adapter; and the control that trains one further."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

from stillright.config.study import StageKind
from stillright.stages.cost import StageCost
from stillright.stages.data import Data, texts_digest
from stillright.stages.inputs import Inputs, training_inputs
from stillright.stages.stage import Model, Site, Stage


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit(Stage):
    """An adapter trained on the task's texts by next-token loss, from a base or from an adapter on.

    Its texts are as long as its own base reads them, so it is the same adapter in every update that has this base.
    """

    model: Model
    seed: int

    kind: ClassVar[StageKind] = "fit"
    is_training = True

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        lora = self.config.lora.model_dump()
        return {**training_inputs(self.config, self.base), **models, "lora": lora, "seed": self.seed}

    def reads(self, data: Data) -> Inputs:
        return {"texts": texts_digest(chain(*data.texts(self.base)))}

    def build(self, site: Site) -> None:
        from stillright.training.lora import fit_adapter

        texts = site.data.texts(self.base)
        site.tell_cut(texts, self.label)
        fit_adapter(site.models["model"], texts, self.config.lora, self.job(site, self.seed))

    def cost(self, data: Data) -> StageCost:
        return self.training_cost(self.model, [len(text.ids) for text in data.texts(self.base).train])
