"""ChoiceTrainer: distils the distribution over the choices of a sample from two teachers that have run already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from trl import SFTConfig

from stillright.config import StrategyConfig
from stillright.config.masks import LABELS_ALONE
from stillright.forward.trees import PADDING
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.training.checkpoints import RULES
from stillright.training.choice.choice_batches import (
    Reading,
    Samples,
    accepted,
    batch_scores,
    first_samples,
    flips,
    reading_of,
    tree_scores,
)
from stillright.training.choice.choice_loss import (
    CHOICE_STRATEGIES,
    Beliefs,
    choice_sums,
    is_right,
    right_choice,
    soft_temperature,
)
from stillright.training.choice.followed import Followed
from stillright.training.choice.teacher_scores import ScoreFiles, choice_scores, read_scores
from stillright.training.forward_loss import ForwardLossTrainer
from stillright.training.loop import train_adapter
from stillright.training.means import Mean
from stillright.training.memory import frees_memory
from stillright.training.result import TrainingResult
from stillright.training.settings import Job, training_arguments
from stillright.training.text import IGNORED, ChoiceText, Texts, as_dataset

ASKED_FIRST = 256  # samples that tell the typical margin


class ChoiceCollator:
    """A batch of samples, and what is to be learnt from them: target (B, K), gold (B,)."""

    def __init__(self, samples: Samples, target: Tensor) -> None:
        self.samples = samples
        self.target = target

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        rows = [example["text"] for example in examples]
        batch = self.samples.batch(rows)
        return {
            **batch,
            "attention_mask": (batch["branch"] != PADDING).long(),  # counts tokens; the model makes its own from branch
            "labels": torch.tensor([[IGNORED, 0]] * len(rows)),  # the trainer counts those not ignored: one per sample
            "target": self.target[rows],
            "gold": torch.tensor([self.samples.texts[row].gold for row in rows]),
        }


class ChoiceTrainer(ForwardLossTrainer):
    """Trains an adapter of the new base towards a target distribution over choices; its means are over samples.

    Data sets hold rows (input_ids, text), where `text` is the number of the sample.
    """

    columns = ("input_ids", "text")

    def __init__(self, temperature: float, ce_weight: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.temperature = temperature
        self.ce_weight = ce_weight

    def computed(self, model: Any, **inputs: Any) -> Tensor:
        return tree_scores(model, **inputs)

    def means(self, model: Any, inputs: dict[str, Any]) -> dict[str, Mean]:
        scores = batch_scores(model, inputs)
        target = inputs["target"][:, : scores.shape[1]]
        sums = choice_sums(scores, target, inputs["gold"], self.temperature, self.ce_weight)
        means = {name: Mean(value, len(scores)) for name, value in sums._asdict().items()}
        means["cross_entropy"] = Mean(sums.cross_entropy, (inputs["gold"] != IGNORED).sum())
        return {**means, **flips(scores, inputs)}

    def keep_first(self, inputs: dict[str, Any], texts: int) -> dict[str, Any]:
        return first_samples(inputs, texts)


@frees_memory
def align_choices(
    new: ModelRef, files: ScoreFiles, split: Texts[ChoiceText], strategy: StrategyConfig, job: Job
) -> TrainingResult:
    """Trains the compat adapter on the choices of samples, from the new task adapter on.

    split: the samples, tokenized for the new model; the old one, whose scores are in `files`, may have another
    tokenizer.
    """
    texts = [*split.train, *split.validation]
    gold = torch.tensor([text.gold for text in texts])
    old_scores = read_scores(files.old)
    new_scores = torch.zeros_like(old_scores) if files.new is None else read_scores(files.new)
    student = load_model(new, job.dtype, trainable=True)
    reading = _reading(student, new, texts, job)
    old_belief, new_belief = ((scores / strategy.temperature).log_softmax(-1) for scores in (old_scores, new_scores))
    target = CHOICE_STRATEGIES[strategy.mask](Beliefs(old_belief, new_belief, gold, accepted(texts)))
    samples = Samples(texts, is_right(old_scores, accepted(texts)), reading)
    ce_weight = 1.0 if strategy.mask in LABELS_ALONE else strategy.ce_weight
    followed = None if files.old_is_log else _followed(student, files, split.validation, reading, job)
    trainer = _trainer(student, new, samples, target, strategy.temperature, ce_weight, split, job)
    follows = None if followed is None else lambda trained: followed.by(trained, job)
    return train_adapter(trainer, job, RULES[strategy.choose], follows)


def _followed(student: Any, files: ScoreFiles, texts: list[ChoiceText], reading: Reading, job: Job) -> Followed:
    """The validation samples, which are last in the files; where new was not asked, the student still is new."""
    choices = max(len(text.choices) for text in texts)

    def kept(file: Path) -> Tensor:
        return read_scores(file)[-len(texts) :, :choices]

    if files.new is None:
        new = choice_scores(student, texts, reading, job.progress, f"{job.label}, new")
    else:
        new = kept(files.new)
    return Followed(texts, reading, kept(files.old), new)


@frees_memory
def fit_right_choices(new: ModelRef, split: Texts[ChoiceText], job: Job) -> TrainingResult:
    """Trains an adapter on, until the right choice of a sample is the likeliest; no teacher is asked.

    Cross-entropy over choices at SOFT times the margins that the model has: at a lower temperature the few samples that
    are far from right would take all of the gradient.
    """
    texts = [*split.train, *split.validation]
    student = load_model(new, job.dtype, trainable=True)
    reading = _reading(student, new, texts, job)
    first = choice_scores(student, split.train[:ASKED_FIRST], reading, job.progress, f"{job.label}, margins")
    temperature = soft_temperature(first)
    target = right_choice(torch.tensor([text.gold for text in texts]), max(len(text.choices) for text in texts))
    trainer = _trainer(student, new, Samples(texts, None, reading), target, temperature, 0.0, split, job)
    return train_adapter(trainer, job, RULES["loss"])


def _reading(student: Any, new: ModelRef, texts: list[ChoiceText], job: Job) -> Reading:
    return reading_of(student, texts, load_tokenizer(new.base).pad_token_id, job.progress, job.label)


def _trainer(
    student: Any,
    new: ModelRef,
    samples: Samples,
    target: Tensor,
    temperature: float,
    ce_weight: float,
    split: Texts[ChoiceText],
    job: Job,
) -> ChoiceTrainer:
    return ChoiceTrainer(
        temperature,
        ce_weight,
        model=student,
        args=SFTConfig(**training_arguments(job, len(split.train))),
        data_collator=ChoiceCollator(samples, target),
        train_dataset=as_dataset(split.train),
        eval_dataset=as_dataset(split.validation, first=len(split.train)),
        processing_class=load_tokenizer(new.base),
    )
