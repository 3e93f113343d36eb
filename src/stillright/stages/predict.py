"""The answers to the test split, of a model or of several as an ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from stillright import ranks
from stillright.config.study import StageKind
from stillright.errors import ModelError
from stillright.importers.jsonl import write_predictions
from stillright.models import Source, load_tokenizer
from stillright.prediction import SCORING
from stillright.prediction.ensemble import refuse_unlike
from stillright.prediction.harness_model import grow
from stillright.stages.cost import StageCost
from stillright.stages.data import Data
from stillright.stages.inputs import Inputs, tested_inputs
from stillright.stages.stage import Model, Site, Stage
from stillright.tasks.encoding import encode_pairs


@dataclass(frozen=True, eq=False, kw_only=True)
class Predict(Stage):
    """The answers of one model."""

    model: Model

    kind: ClassVar[StageKind] = "predict"
    result = "predictions.jsonl"

    def inputs(self, models: Mapping[str, str]) -> Inputs:
        return {
            **models,
            **tested_inputs(self.config),
            "scoring": SCORING,
            "batch_size": self.config.predict_batch_size,
            "max_length": self.config.training.max_length,
        }

    def build(self, site: Site) -> None:
        from stillright.prediction.predict import PredictJob, predict

        config, dtype = self.config, site.data.dtype
        job = PredictJob(self.name, dtype, config.predict_batch_size, config.training.max_length, site.progress)
        predictions = predict([*site.models.values()], site.data.task, job)
        ranks.on_main(lambda: write_predictions(predictions, site.out))

    def cost(self, data: Data) -> StageCost:
        tokens = sum(_tokens_read(data, model.base) for model in self.models.values())
        return StageCost(self.label, len(data.task.test_positions), tokens)


@dataclass(frozen=True, eq=False, kw_only=True)
class Ensemble(Predict):
    """The answers of two models together: each choice, or next token, has the mean of their log-likelihoods."""

    old: Model

    kind: ClassVar[StageKind] = "ensemble"

    @property
    def models(self) -> Mapping[str, Model]:
        return {"old": self.old, "new": self.model}

    def refuse_misfit(self, data: Data) -> None:
        if data.has_old_log:
            raise ModelError("old is only a log of its answers, but an ensemble asks both models anew")
        if not data.task.is_choice:
            refuse_unlike(data.task, data.bases)


def _tokens_read(data: Data, base: Source) -> int:
    """Tokens of the test documents as trees of their choices, or of prompts with the longest answers allowed."""
    task, tokenizer, longest = data.task, load_tokenizer(base), data.longest_of(base)
    documents = task.test_documents
    if not task.is_choice:
        encoded = tokenizer([task.prompt(document) for document in documents])["input_ids"]
        return sum(min(len(ids), longest) + task.longest_answer for ids in encoded)
    pairs = [
        (task.prompt(document), task.continuation(choice))
        for document in documents
        for choice in task.choices(document)
    ]
    trees, _ = grow(encode_pairs(pairs, tokenizer), longest)
    return sum(tree.tokens(apart=False) for tree in trees)
