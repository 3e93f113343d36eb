"""A teacher reads all texts once: its outputs are the same for every strategy, epoch and alignment seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from stillright.config.study import StageKind
from stillright.estimate.cost import Amount, choices_of, held_logits, next_tokens, score_bytes, teacher_bytes
from stillright.estimate.shape import Shape
from stillright.estimate.stage_cost import Device, StageCost, reading_cost
from stillright.forward.trees import BATCH_TOKENS
from stillright.models import load_model, shared_vocabulary
from stillright.prediction import SCORING
from stillright.stages.data import Data, choices_digest, texts_digest
from stillright.stages.inputs import Inputs, aligned_inputs, bases_of
from stillright.stages.shapes import shape_of_model
from stillright.stages.stage import Model, Site, Stage
from stillright.training.memory import frees_memory
from stillright.training.teachers.cache_writing import CacheSpec, build_cache, cache_inputs
from stillright.training.teachers.forms import Form, form_of
from stillright.training.text import ChoiceText, Text


@dataclass(frozen=True, eq=False, kw_only=True)
class _Teacher(Stage):
    """What both kinds of teachers have in common."""

    model: Model

    kind: ClassVar[StageKind] = "teach"

    def reading(self, shape: Shape, read: Amount, device: Device, kept: int) -> StageCost:
        """The cost of a pass over `read`."""
        batch = max(read.longest, min(BATCH_TOKENS, read.tokens))
        logits = 2 * 4 * min(read.longest * shape.vocabulary, held_logits(device.accelerator))  # and probabilities
        return reading_cost(self.label, shape, read, batch, logits, device, kept)


class Teach(_Teacher):
    """The folder of a teacher's outputs at every scored token."""

    result = "outputs"

    @property
    def form(self) -> Form:
        """How they are kept."""
        return form_of(self.config.teachers, self.config.strategy.temperature)

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        vocabulary = shared_vocabulary(bases_of(self.config))
        return cache_inputs(models["model"], aligned_inputs(self.config), self.form._asdict(), vocabulary)

    def reads(self, data: Data) -> Inputs:
        return {"texts": texts_digest(self._texts(data))}

    def _texts(self, data: Data) -> list[Text]:
        train, validation = data.aligned_texts(self.base)
        return [*train, *validation]

    @frees_memory
    def build(self, site: Site) -> None:
        spec = CacheSpec(self._texts(site.data), {}, self.form, site.data.shared_vocabulary)
        model = load_model(site.models["model"], site.data.dtype)
        build_cache(model, spec, site.work, site.out, site.progress, f"{self.name} teacher")

    def cost(self, data: Data, device: Device) -> StageCost:
        shape, read = shape_of_model(self.model, self.config), next_tokens(self._texts(data))
        kept = teacher_bytes(read.scored, self.form, shape.hidden, shape.vocabulary, data.dtype)
        return self.reading(shape, read, device, kept)


class TeachChoices(_Teacher):
    """The file of a teacher's scores of all choices."""

    result = "scores.safetensors"

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        form = {"form": "choices", "scoring": SCORING}
        return cache_inputs(models["model"], aligned_inputs(self.config), form, vocabulary=None)

    def reads(self, data: Data) -> Inputs:
        return {"texts": choices_digest(self._texts(data))}

    def _texts(self, data: Data) -> list[ChoiceText]:
        train, validation = data.aligned_choices(self.base)
        return [*train, *validation]

    def build(self, site: Site) -> None:
        from stillright.training.choice.teacher_scores import teacher_scores, write_scores

        label = f"{self.name.removesuffix('-choices')} teacher"
        texts = self._texts(site.data)
        write_scores(teacher_scores(site.models["model"], texts, site.data.dtype, site.progress, label), site.out)

    def cost(self, data: Data, device: Device) -> StageCost:
        texts = self._texts(data)
        kept = score_bytes(len(texts), max(len(text.choices) for text in texts))
        return self.reading(shape_of_model(self.model, self.config), choices_of(texts), device, kept)
