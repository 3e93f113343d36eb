"""The answers to the test split, of a model or of several as an ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from stillright import ranks
from stillright.config.study import StageKind
from stillright.estimate.cost import Amount, choices_of, held_logits
from stillright.estimate.shape import Shape
from stillright.estimate.stage_cost import Device, StageCost, reading_cost
from stillright.forward.trees import Tree
from stillright.importers.jsonl import write_predictions
from stillright.models import Source, load_tokenizer
from stillright.prediction import SCORING
from stillright.prediction.ensemble import refuse_unlike
from stillright.prediction.harness_model import batches_of_rows, grow
from stillright.stages.data import Data
from stillright.stages.inputs import Inputs, tested_inputs
from stillright.stages.shapes import shape_of_model
from stillright.stages.stage import Model, Site, Stage
from stillright.tasks.encoding import encode_pairs


class _Read(NamedTuple):
    """What a prediction reads."""

    amount: Amount
    batch_tokens: int  # of the largest batch
    logits: int  # bytes of those held at once


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

    def cost(self, data: Data, device: Device) -> StageCost:
        costs = [self._cost_of(model, data, device) for model in self.models.values()]
        memory, flops = sum(cost.memory for cost in costs), sum(cost.flops for cost in costs)
        return costs[-1]._replace(memory=memory, flops=flops)

    def _cost_of(self, model: Model, data: Data, device: Device) -> StageCost:
        shape = shape_of_model(model, self.config)
        read = (self._choices if data.task.is_choice else self._generated)(shape, model.base, data, device)
        cost = reading_cost(self.label, shape, read.amount, read.batch_tokens, read.logits, device)
        return cost._replace(samples=len(data.task.test_documents))

    def _generated(self, shape: Shape, base: Source, data: Data, device: Device) -> _Read:
        """Prompts and the longest answers allowed."""
        answer, longest = data.task.longest_answer, data.longest_of(base)
        prompts = load_tokenizer(base)([data.task.prompt(document) for document in data.task.test_documents])[
            "input_ids"
        ]
        lengths = [min(len(ids), longest) + answer for ids in prompts]
        batch = min(self.config.predict_batch_size, len(lengths)) * max(lengths)
        return _Read(Amount(lengths, answer * len(lengths)), batch, 2 * device.bytes * batch * shape.vocabulary)

    def _choices(self, shape: Shape, base: Source, data: Data, device: Device) -> _Read:
        trees = _trees(data, base)
        batch = max(
            len(numbers) * trees[numbers[0]].tokens(apart=False)
            for numbers in batches_of_rows(trees, apart=False, rows=self.config.predict_batch_size)
        )
        read = choices_of(trees)
        return _Read(read, batch, 2 * 4 * min(read.scored * shape.vocabulary, held_logits(device.accelerator)))


@dataclass(frozen=True, eq=False, kw_only=True)
class Ensemble(Predict):
    """The answers of two models together: each choice, or next token, has the mean of their log-likelihoods."""

    old: Model

    kind: ClassVar[StageKind] = "ensemble"

    @property
    def models(self) -> Mapping[str, Model]:
        return {"old": self.old, "new": self.model}

    def refuse_misfit(self, data: Data) -> None:
        if not data.task.is_choice:
            refuse_unlike(data.task, data.bases)


def _trees(data: Data, base: Source) -> list[Tree]:
    """The test documents, each with its choices."""
    task = data.task
    pairs = [
        (task.prompt(document), task.continuation(choice))
        for document in task.test_documents
        for choice in task.choices(document)
    ]
    trees, _ = grow(encode_pairs(pairs, load_tokenizer(base)), data.longest_of(base))
    return list(trees)
