"""Stages of an update whose old model is gone: all that they know of it is a log of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

from stillright import ranks
from stillright.config.study import StageKind
from stillright.errors import ModelError, TaskError
from stillright.importers import write_predictions
from stillright.models import ModelRef, Source
from stillright.stages.cost import StageCost
from stillright.stages.data import Data, choices_digest, texts_digest
from stillright.stages.inputs import (
    Inputs,
    aligned_inputs,
    bases_of,
    old_inputs,
    tested_inputs,
    tested_log_inputs,
    training_inputs,
)
from stillright.stages.stage import Model, Site, Stage


class _OfLog(Stage):
    """Reads a log and no model; texts are those of the new base."""

    @property
    def base(self) -> Source:
        return ModelRef.parse(self.config.new).base


class Logged(_OfLog):
    """The old model's predictions: its logged answers to the rows to predict."""

    kind: ClassVar[StageKind] = "predict"
    result = "predictions.jsonl"

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        return {**tested_inputs(self.config), **tested_log_inputs(self.config)}

    def refuse_misfit(self, data: Data) -> None:
        data.old_log.test.account()

    def build(self, site: Site) -> None:
        ranks.on_main(lambda: write_predictions(site.data.old_log.test.predictions(self.name), site.out))


class TeachLabels(_OfLog):
    """The file of the old model's scores of all choices, as its logged choices tell them."""

    kind: ClassVar[StageKind] = "teach"
    result = "scores.safetensors"

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        temperature = self.config.strategy.temperature
        return {**aligned_inputs(self.config), **old_inputs(self.config), "temperature": temperature}

    def reads(self, data: Data) -> Inputs:
        return {"texts": choices_digest(chain(*data.aligned_choices(self.base)))}

    def build(self, site: Site) -> None:
        from stillright.training.choice.labels import label_scores
        from stillright.training.choice.teacher_scores import write_scores

        texts = [*chain(*site.data.aligned_choices(self.base))]
        taken, counts = [*chain(*site.data.old_choices())], [len(text.choices) for text in texts]
        write_scores(label_scores(taken, counts, self.config.strategy.temperature), site.out)


@dataclass(frozen=True, eq=False, kw_only=True)
class Follow(Stage):
    """The compat adapter: the new task adapter, trained further on old's answers where they are right, and on the
    dataset's elsewhere."""

    model: Model

    kind: ClassVar[StageKind] = "align"
    is_training = True

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        return {
            **training_inputs(self.config, *bases_of(self.config)),
            **old_inputs(self.config),
            **models,
            "strategy": self.config.strategy.model_dump(),
            "seed": self.config.align_seed,
        }

    def reads(self, data: Data) -> Inputs:
        return {"texts": texts_digest(chain(*data.answered_texts(self.base)))}

    def refuse_misfit(self, data: Data) -> None:
        mask, task = self.config.strategy.mask, data.task
        if not data.has_old_log:
            raise ModelError(
                f"strategy.mask {mask}: learns from a log of answers, but old is a model, {self.config.old}; give "
                "old.train and old.test, files of its answers, or take another mask"
            )
        if task.is_choice:
            raise TaskError(
                f"task {task.name}: its answers are chosen, but strategy.mask {mask} trains on texts that old "
                "generated; take choice or choice_mixture"
            )
        if task.kind == "continuous":
            raise TaskError(
                f"task {task.name}: its metric {task.metric} gives scores, but strategy.mask {mask} trains on answers "
                "that are right; take a metric of right and wrong, such as exact_match, or align: false"
            )
        data.old_log.train.account()

    def build(self, site: Site) -> None:
        from stillright.training.lora import fit_adapter

        texts = site.data.answered_texts(self.base)
        site.tell_cut(texts, self.label)
        fit_adapter(site.models["model"], texts, self.config.lora, self.job(site, self.config.align_seed))

    def cost(self, data: Data) -> StageCost:
        return self.training_cost(self.model, [len(text.ids) for text in data.answered_texts(self.base).train])
