"""The compat adapter that validation proves, from the directions that can be gone in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, ClassVar

from stillright.config.study import StageKind
from stillright.models import Source
from stillright.stages.data import Data, choices_digest, texts_digest
from stillright.stages.inputs import Inputs, aligned_inputs
from stillright.stages.stage import Model, Site, Stage

if TYPE_CHECKING:
    from stillright.training.search.question import Question


@dataclass(frozen=True, eq=False, kw_only=True)
class Search(Stage):
    """From the new task model towards old's weights, where shapes are the same, and towards what the labels teach.

    labels: the new model, trained further; None: only old's weights, so shapes have to be the same.
    """

    old: Model
    new: Model
    labels: Model | None = None

    kind: ClassVar[StageKind] = "transfer"

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        asked = {"batch_size": self.config.predict_batch_size}
        return {**aligned_inputs(self.config), **models, **asked, "strategy": self.config.strategy.model_dump()}

    def reads(self, data: Data) -> Inputs:
        found = {"texts": texts_digest(data.aligned_texts(self.base).train)} if self.config.strategy.weighted else {}
        if data.task.is_choice:
            found["choices"] = choices_digest(chain(*map(data.deciding_choices, data.bases)))
        return found

    def refuse_misfit(self, data: Data) -> None:
        if self.labels is None:
            from stillright.training.transfer.differences import refuse_unlike

            refuse_unlike(*data.bases)

    def build(self, site: Site) -> None:
        from stillright.training.search.auto import Asked, auto_adapter
        from stillright.training.transfer.differences import why_unlike
        from stillright.training.transfer.transfer import Settings, transferred

        old, new, data, strategy = site.models["old"], site.models["new"], site.data, self.config.strategy
        job, to_old = self.job(site, self.config.align_seed), None
        if reason := why_unlike(old.base, new.base):
            site.progress.console.print(f"  {self.label}: old's weights cannot be followed: {reason}", highlight=False)
        else:
            texts = data.aligned_texts(new.base).train if strategy.weighted else []
            to_old = transferred(old, new, Settings(strategy.rank, strategy.weighted), texts, job)
        asked = Asked(old, new, *(self._question(site, base) for base in (old.base, new.base)))
        auto_adapter(asked, to_old, site.models.get("labels"), job)

    def _question(self, site: Site, base: Source) -> Question:
        from stillright.training.search.question import of_choices, of_texts

        data = site.data
        if data.task.is_choice:
            return of_choices(data.deciding_choices(base), base, site.progress)
        return of_texts(data.task, data.deciding(), base, data.longest, self.config.predict_batch_size)
