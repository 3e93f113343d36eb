"""The compat adapter from weights alone: the new task adapter, and beside it a share of what the old model has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

from stillright.config.study import StageKind
from stillright.errors import TaskError
from stillright.stages.data import Data, choices_digest, texts_digest
from stillright.stages.inputs import Inputs, aligned_inputs
from stillright.stages.stage import Model, Site, Stage


@dataclass(frozen=True, eq=False, kw_only=True)
class Transfer(Stage):
    """Made without training, where old and new have the same shapes."""

    old: Model
    new: Model

    kind: ClassVar[StageKind] = "transfer"

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        return {**aligned_inputs(self.config), **models, "strategy": self.config.strategy.model_dump()}

    def reads(self, data: Data) -> Inputs:
        found: Inputs = {}
        if self.config.strategy.weighted:
            found["texts"] = texts_digest(data.aligned_texts(self.base).train)
        if self.config.strategy.share == "auto":
            found["choices"] = choices_digest(
                chain(*(data.choices(model.base).validation for model in (self.old, self.new)))
            )
        return found

    def refuse_misfit(self, data: Data) -> None:
        from stillright.training.combine import refuse_other_shapes

        refuse_other_shapes(*data.bases)
        if self.config.strategy.share == "auto" and not data.task.is_choice:
            raise TaskError(
                f"task {data.task.name}: its answers are generated, and strategy.share auto is chosen on choices; give "
                "a share, such as 0.3"
            )

    def build(self, site: Site) -> None:
        from stillright.training.align import Validation
        from stillright.training.transfer.transfer import Settings, transfer_adapter

        strategy, data = self.config.strategy, site.data
        old, new = site.models["old"], site.models["new"]
        auto = strategy.share == "auto"
        validation = Validation(old, *(data.choices(ref.base).validation for ref in (old, new))) if auto else None
        texts = data.aligned_texts(new.base).train if strategy.weighted else []
        settings = Settings(strategy.rank, None if strategy.share == "auto" else strategy.share, strategy.weighted)
        transfer_adapter(old, new, settings, texts, validation, self.job(site, self.config.align_seed))
