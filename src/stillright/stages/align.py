"""The compat adapter: the new task adapter, trained on towards both task models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

from stillright.config.study import StageKind
from stillright.models import ModelRef
from stillright.stages.cost import StageCost
from stillright.stages.data import Data, choices_digest, texts_digest
from stillright.stages.inputs import Inputs, aligned_inputs, bases_of, old_inputs, training_inputs
from stillright.stages.stage import Model, Site, Stage


@dataclass(frozen=True, eq=False, kw_only=True)
class Align(Stage):
    """Distilled over tokens or over choices, from teachers that have read the texts, or from the old model itself.

    old: None where that model is gone, and its teacher is a log of its choices.
    """

    old: Model | None
    new: Model

    kind: ClassVar[StageKind] = "align"
    is_training = True

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        return {
            **training_inputs(self.config, *bases_of(self.config)),
            **aligned_inputs(self.config),
            **old_inputs(self.config),
            **models,
            "strategy": self.config.strategy.model_dump(),
            "seed": self.config.align_seed,
            "teachers": None if self.config.strategy.is_choice else self.config.teachers.determining(),
        }

    def reads(self, data: Data) -> Inputs:
        if self.config.strategy.is_choice:
            return {"texts": choices_digest(chain(*data.aligned_choices(self.base)))}
        return {"texts": texts_digest(chain(*data.aligned_texts(self.base)))}

    def refuse_misfit(self, data: Data) -> None:
        data.refuse_misfits(self.config.strategy)

    def build(self, site: Site) -> None:
        if self.config.strategy.is_choice:
            self._align_choices(site)
        else:
            self._align_tokens(site)

    def _align_tokens(self, site: Site) -> None:
        from stillright.training.align import Validation, align_adapter
        from stillright.training.teachers.cached_teachers import CachedTeachers

        config, data, (old, new) = self.config, site.data, (site.models["old"], site.models["new"])
        validation = Validation(old, *(data.validation_samples(ref.base) for ref in (old, new)))
        source: CachedTeachers | ModelRef = old
        if site.teachers:
            source = CachedTeachers.open(site.teachers["teach_old"], site.teachers["teach_new"])
        texts, job = data.aligned_texts(new.base), self.job(site, config.align_seed)
        site.tell_cut(texts, self.label)
        align_adapter(new, source, texts, config.strategy, config.teachers, job, validation)

    def _align_choices(self, site: Site) -> None:
        from stillright.training.choice.choice_trainer import align_choices
        from stillright.training.choice.teacher_scores import ScoreFiles

        teachers = site.teachers
        files = ScoreFiles(teachers["teach_old"], teachers.get("teach_new"), old_is_log=self.old is None)
        texts, job = site.data.aligned_choices(self.base), self.job(site, self.config.align_seed)
        align_choices(site.models["new"], files, texts, self.config.strategy, job)

    def cost(self, data: Data) -> StageCost:
        if self.config.strategy.is_choice:
            lengths = [text.tokens(apart=False) for text in data.aligned_choices(self.base).train]
        else:
            lengths = [len(text.ids) for text in data.aligned_texts(self.base).train]
        return self.training_cost(self.new, lengths)
