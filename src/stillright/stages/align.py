"""The compat adapter: the new task adapter, trained on towards both task models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from stillright.config.study import StageKind
from stillright.estimate.cost import (
    ADAPTER_BYTES,
    PLAIN_LOGITS,
    TAUGHT_LOGITS,
    Amount,
    choices_of,
    forward_flops,
    next_tokens,
)
from stillright.estimate.shape import Shape
from stillright.estimate.stage_cost import Device, StageCost, training_cost
from stillright.models import ModelRef
from stillright.stages.data import Data, choices_digest, texts_digest
from stillright.stages.inputs import Inputs, aligned_inputs, bases_of, training_inputs
from stillright.stages.shapes import shape_of_model
from stillright.stages.stage import Model, Site, Stage
from stillright.training.strategies import STRATEGIES


@dataclass(frozen=True, eq=False, kw_only=True)
class Align(Stage):
    """Distilled over tokens or over choices, from teachers that have read the texts, or from the old model itself."""

    old: Model
    new: Model
    outputs: Mapping[str, Stage] = field(default_factory=dict)  # of teachers that are asked beforehand

    kind: ClassVar[StageKind] = "align"
    is_training = True

    @property
    def teachers(self) -> Mapping[str, Stage]:
        return self.outputs

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        return {
            **training_inputs(self.config, *bases_of(self.config)),
            **aligned_inputs(self.config),
            **models,
            "strategy": self.config.strategy.model_dump(),
            "seed": self.config.align_seed,
            "teachers": None if self.config.strategy.is_choice else self.config.teachers.determining(),
        }

    def reads(self, data: Data) -> Inputs:
        if self.config.strategy.is_choice:
            choices = data.aligned_choices(self.base)
            return {"texts": choices_digest([*choices.train, *choices.validation])}
        texts = data.aligned_texts(self.base)
        return {"texts": texts_digest([*texts.train, *texts.validation])}

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
        validation = None
        if config.strategy.choose == "flips":
            validation = Validation(old, *(data.choices(ref.base).validation for ref in (old, new)))
        source: CachedTeachers | ModelRef = old
        if site.teachers:
            source = CachedTeachers.open(site.teachers["teach_old"], site.teachers["teach_new"])
        texts, job = data.aligned_texts(new.base), self.job(site, config.align_seed)
        site.tell_cut(texts, self.label)
        align_adapter(new, source, texts, config.strategy, config.teachers, job, validation)

    def _align_choices(self, site: Site) -> None:
        from stillright.training.choice.choice_trainer import align_choices
        from stillright.training.choice.teacher_scores import ScoreFiles

        files = ScoreFiles(site.teachers["teach_old"], site.teachers.get("teach_new"))
        texts, job = site.data.aligned_choices(self.base), self.job(site, self.config.align_seed)
        align_choices(site.models["new"], files, texts, self.config.strategy, job)

    def cost(self, data: Data, device: Device) -> StageCost:
        old, new = (shape_of_model(model, self.config) for model in (self.old, self.new))
        if self.config.strategy.is_choice:
            return self._cost_of_choices(new, data, device)
        train, validation = map(next_tokens, data.aligned_texts(self.base))
        heads = old.head + new.head if STRATEGIES[self.config.strategy.mask].mixed else max(old.head, new.head)
        training = self.config.training
        cost = training_cost(self.label, new, train, validation, training, device, TAUGHT_LOGITS, heads)
        if self.config.strategy.choose == "flips":
            cost = cost._replace(flops=cost.flops + self._flops_of_answers(old, new, data))
        return cost if self.outputs else self._with_live_teachers(cost, old, new, train, validation, device)

    def _cost_of_choices(self, new: Shape, data: Data, device: Device) -> StageCost:
        train, validation = map(choices_of, data.aligned_choices(self.base))
        cost = training_cost(self.label, new, train, validation, self.config.training, device, PLAIN_LOGITS)
        again = 2 * new.head * train.scored * self.config.training.epochs  # logits are made again
        return cost._replace(flops=cost.flops + again)

    def _flops_of_answers(self, old: Shape, new: Shape, data: Data) -> float:
        """Operations to answer the validation samples: by the old model once, by the student in every evaluation."""
        read = [choices_of(data.choices(model.base).validation) for model in (self.old, self.new)]
        evaluations = self.config.training.epochs + 1
        return forward_flops(old, read[0]) + evaluations * forward_flops(new, read[1])

    def _with_live_teachers(
        self, cost: StageCost, old: Shape, new: Shape, train: Amount, validation: Amount, device: Device
    ) -> StageCost:
        """The old model stays in memory, and both teachers read every batch."""
        epochs = self.config.training.epochs
        read = [epochs * forward_flops(shape, train) for shape in (old, new)]
        read += [(epochs + 1) * forward_flops(shape, validation) for shape in (old, new)]
        weights = device.bytes * old.parameters + ADAPTER_BYTES * (old.adapter + new.adapter)
        return cost._replace(memory=cost.memory + weights, flops=cost.flops + sum(read))
