"""The compat adapter from weights alone: the new task adapter, and a given share of what old has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from stillright.config.study import StageKind
from stillright.stages.data import Data, texts_digest
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
        return {"texts": texts_digest(data.aligned_texts(self.base).train)} if self.config.strategy.weighted else {}

    def refuse_misfit(self, data: Data) -> None:
        from stillright.training.transfer.differences import refuse_unlike

        refuse_unlike(*data.bases)

    def build(self, site: Site) -> None:
        from stillright.training.transfer.transfer import Settings, transfer_adapter

        strategy, old, new = self.config.strategy, site.models["old"], site.models["new"]
        assert strategy.share != "auto"  # which is a search
        texts = site.data.aligned_texts(new.base).train if strategy.weighted else []
        settings, job = Settings(strategy.rank, strategy.weighted), self.job(site, self.config.align_seed)
        transfer_adapter(old, new, settings, strategy.share, texts, job)
