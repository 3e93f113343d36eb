"""The compat adapter that validation proves, from the directions that can be gone in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, ClassVar

from stillright.config.study import StageKind
from stillright.events import say
from stillright.models import ModelRef, Source, load_tokenizer
from stillright.stages.cost import ADAPTER_BYTES, StageCost, adapter_parameters
from stillright.stages.data import Data, choices_digest, documents_digest, texts_digest
from stillright.stages.inputs import Inputs, aligned_inputs, generation_inputs
from stillright.stages.stage import Model, Site, Stage

if TYPE_CHECKING:
    from stillright.training.search.question import Question
    from stillright.training.transfer.transfer import Transferred


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
        asked = {"batch_size": self.config.predict_batch_size, **generation_inputs(self.config.task)}
        return {**aligned_inputs(self.config), **models, **asked, "strategy": self.config.strategy.model_dump()}

    def reads(self, data: Data) -> Inputs:
        found = {"texts": texts_digest(data.aligned_texts(self.base).train)} if self.config.strategy.weighted else {}
        if data.task.is_choice:
            return {**found, "choices": choices_digest(chain(*map(data.deciding_choices, data.bases)))}
        return {**found, "documents": documents_digest(data.deciding())}

    def refuse_misfit(self, data: Data) -> None:
        from stillright.training.transfer.differences import refuse_unlike, why_unlike
        from stillright.training.transfer.weights import AdapterWeights

        if self.labels is None:
            refuse_unlike(*data.bases)
        summed = (self.new,) if why_unlike(*data.bases) else (self.old, self.new)
        for model in summed:
            if isinstance(model, ModelRef) and model.adapter is not None:
                AdapterWeights(model.adapter)  # raises ModelError for more than plain LoRA, before anything is trained

    def build(self, site: Site) -> None:
        from stillright.training.search.auto import Asked, auto_adapter
        from stillright.training.transfer.differences import why_unlike
        from stillright.training.transfer.transfer import Settings, transferred

        old, new, data, strategy = site.models["old"], site.models["new"], site.data, self.config.strategy
        job = self.job(site, self.config.align_seed)
        to_old: Transferred | str | None = why_unlike(old.base, new.base)
        if to_old is not None:
            line = f"  {self.label}: old's weights cannot be followed: {to_old}"
            say(site.progress.console, line, "search", label=self.label)
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
        return of_texts(data.task, data.deciding(), base, data.longest, self.config.predict_batch_size, site.progress)

    def cost(self, data: Data) -> StageCost:
        """Old reads the samples once, new as often as the search asks it at most; texts that weigh ranks are few."""
        from stillright.training.search.auto import grid_of
        from stillright.training.search.search import most_passes
        from stillright.training.transfer.differences import why_unlike

        old, new = data.bases
        to_old = why_unlike(old, new) is None
        passes = most_passes(grid_of(to_old, self.labels is not None))
        tokens = _tokens_asked(data, old) + passes * _tokens_asked(data, new)
        rank = self.config.lora.r * (1 if self.labels is None else 2) + self.config.strategy.rank * to_old
        parameters = adapter_parameters(ModelRef(new), self.config.lora.model_copy(update={"r": rank}))
        return StageCost(self.label, len(data.deciding()), tokens, kept=ADAPTER_BYTES * parameters)


def _tokens_asked(data: Data, base: Source) -> int:
    """Of all deciding samples, read once: trees of choices, or prompts with the longest answers allowed."""
    if data.task.is_choice:
        return sum(text.tokens(apart=False) for text in data.deciding_choices(base))
    encoded = load_tokenizer(base)([data.task.prompt(document) for document in data.deciding()])["input_ids"]
    return sum(min(len(ids), data.longest) + data.task.longest_answer for ids in encoded)
