"""A teacher reads all texts once: its outputs are the same for every strategy, epoch and alignment seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

from stillright.config.study import StageKind
from stillright.models import load_config, load_model, shared_vocabulary
from stillright.prediction import SCORING
from stillright.stages.cost import StageCost, teacher_bytes
from stillright.stages.data import Data, choices_digest, texts_digest
from stillright.stages.inputs import Inputs, aligned_inputs, bases_of
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
        return [*chain(*data.aligned_texts(self.base))]

    @frees_memory
    def build(self, site: Site) -> None:
        spec = CacheSpec(self._texts(site.data), {}, self.form, site.data.shared_vocabulary)
        model = load_model(site.models["model"], site.data.dtype)
        build_cache(model, spec, site.work, site.out, site.progress, f"{self.name} teacher")

    def cost(self, data: Data) -> StageCost:
        texts, base = self._texts(data), load_config(self.base).get_text_config()
        rows = sum(len(text.scored) for text in texts)
        kept = teacher_bytes(rows, self.form, base.hidden_size, base.vocab_size, data.dtype)
        return StageCost(self.label, len(texts), sum(len(text.ids) for text in texts), kept=kept)


class TeachChoices(_Teacher):
    """The file of a teacher's scores of all choices."""

    result = "scores.safetensors"

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        form = {"form": "choices", "scoring": SCORING}
        return cache_inputs(models["model"], aligned_inputs(self.config), form, vocabulary=None)

    def reads(self, data: Data) -> Inputs:
        return {"texts": choices_digest(self._texts(data))}

    def _texts(self, data: Data) -> list[ChoiceText]:
        return [*chain(*data.aligned_choices(self.base))]

    def build(self, site: Site) -> None:
        from stillright.training.choice.teacher_scores import teacher_scores, write_scores

        label = f"{self.name.removesuffix('-choices')} teacher"
        texts = self._texts(site.data)
        write_scores(teacher_scores(site.models["model"], texts, site.data.dtype, site.progress, label), site.out)

    def cost(self, data: Data) -> StageCost:
        texts = self._texts(data)
        scores = len(texts) * max(len(text.choices) for text in texts)
        tokens = sum(text.tokens(apart=False) for text in texts)
        return StageCost(self.label, len(texts), tokens, kept=4 * scores)  # in float32
