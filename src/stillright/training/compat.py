"""CompatTrainer: the masked distillation from two teachers that have run already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from trl import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from stillright.config import StrategyConfig
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.training.checkpoints import RULES
from stillright.training.choice import (
    Samples,
    accepted,
    batch_scores,
    first_samples,
    flips,
    reading_of,
    scores_of_old,
    tree_scores,
)
from stillright.training.choice_loss import is_right
from stillright.training.choices import ChoiceText
from stillright.training.head_loss import LossSums
from stillright.training.loop import Job, TrainingResult, as_dataset, frees_memory, train_adapter, training_arguments
from stillright.training.losses import CompatLoss
from stillright.training.strategies import STRATEGIES
from stillright.training.teachers import Teacher, open_teacher
from stillright.training.text import Ids, Texts
from stillright.training.trainer import AdapterTrainer, HiddenLoss, Mean, token_sums


@dataclass
class CompatConfig(SFTConfig):
    """SFTConfig, and what the method adds: see stillright.config.StrategyConfig."""

    mask: str = "student_wrong"
    temperature: float = 2.0
    ce_weight: float = 0.0
    choose: str = "loss"


class TeacherCollator:
    """TRL's collator, and the teachers' rows of every scored position, text after text: (N, H)."""

    def __init__(self, pad_token_id: int, pad_to_multiple_of: int | None, old: Teacher, new: Teacher) -> None:
        self.collate = DataCollatorForLanguageModeling(pad_token_id, pad_to_multiple_of=pad_to_multiple_of)
        self.old = old
        self.new = new

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Tensor]:
        batch: dict[str, Tensor] = self.collate(examples)
        texts = [example["text"] for example in examples]
        old, new = ([teacher.rows(text) for text in texts] for teacher in (self.old, self.new))
        batch["taught_old"] = torch.cat([self.old.said.hidden[rows] for rows in old])
        batch["taught_new"] = torch.cat([self.new.said.hidden[rows] for rows in new])
        batch["taught_old_prediction"] = torch.cat([self.old.said.prediction[rows] for rows in old])
        batch["taught_old_logp"] = torch.cat([self.old.said.logp[rows] for rows in old])
        return batch


class AnswersCollator:
    """Another collator, and under "answers" the choices of the texts, where these are validation samples."""

    def __init__(self, collate: TeacherCollator, validation: Samples, first: int) -> None:
        self.collate = collate
        self.validation = validation
        self.first = first  # number of the first validation text

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        rows = [example["text"] - self.first for example in examples]
        batch = self.collate(examples)
        return {**batch, "answers": self.validation.batch(rows)} if min(rows) >= 0 else batch


def sums_or_scores(loss: HiddenLoss, model: Any, **inputs: Any) -> Any:
    """The sums of a loss for a batch of texts; the scores of the choices for a batch of trees."""
    return tree_scores(model, **inputs) if "branch" in inputs else token_sums(loss, model, **inputs)


class CompatTrainer(AdapterTrainer):
    """Trains an adapter of the new base towards the old and the new model.

    Data sets hold pre-tokenized rows (input_ids, labels, text); `text` numbers the rows of `old` and `new`.
    validation: the choices of the validation samples, which are scored in every evaluation; None: they are not.
    """

    compute = staticmethod(sums_or_scores)

    def __init__(
        self, args: CompatConfig, old: Teacher, new: Teacher, validation: Samples | None = None, **kwargs: Any
    ) -> None:
        loss = CompatLoss(old.head.to(args.device), STRATEGIES[args.mask], args.temperature, args.ce_weight)
        pad_token_id = kwargs["processing_class"].pad_token_id
        collator: Any = TeacherCollator(pad_token_id, args.pad_to_multiple_of, old, new)
        if validation is not None:
            collator = AnswersCollator(collator, validation, first=len(kwargs["train_dataset"]))
        super().__init__(loss, args=args, data_collator=collator, **kwargs)

    def means(self, model: Any, inputs: dict[str, Any]) -> dict[str, Mean]:
        """See MeansTrainer; where the choices are scored, also the share of samples right, and lost against old."""
        answers = inputs.pop("answers", None)
        means = super().means(model, inputs)
        return means if answers is None else {**means, **flips(batch_scores(model, answers), answers)}

    def first(self, inputs: dict[str, Any], texts: int) -> dict[str, Any]:
        """See MeansTrainer."""
        answers = inputs.pop("answers", None)
        found = super().first(inputs, texts)
        return found if answers is None else {**found, "answers": first_samples(answers, texts)}

    def means_of(self, sums: LossSums, tokens: Tensor) -> dict[str, Mean]:
        """Beside loss and cross-entropy: the share of tokens that follow old, and the divergence to each teacher over
        the tokens that follow it; of a mixture the divergence to the mean of both."""
        means = super().means_of(sums, tokens)
        if STRATEGIES[self.args.mask].mixed:
            return {**means, "kl": Mean(sums.kl_old, tokens)}
        return {
            **means,
            "follow_old": Mean(sums.follow_old, tokens),
            "kl_old": Mean(sums.kl_old, sums.follow_old),
            "kl_new": Mean(sums.kl_new, tokens - sums.follow_old),
        }


class Taught(NamedTuple):
    """Folders of what the teachers said of the training texts and then of the validation texts."""

    old: Path
    new: Path


class Validation(NamedTuple):
    """The validation samples, for the choice of the checkpoint by flips."""

    old: ModelRef
    old_texts: list[ChoiceText]
    new_texts: list[ChoiceText]  # the same samples, tokenized for the new model

    def old_right(self, job: Job) -> Tensor:
        """(n,) whether the old model, which is gone from memory afterwards, answers right."""
        return is_right(scores_of_old(self.old, self.old_texts, job), accepted(self.old_texts))


@frees_memory
def align_adapter(
    new: ModelRef,
    taught: Taught,
    texts: Texts[Ids],
    strategy: StrategyConfig,
    job: Job,
    validation: Validation | None = None,
) -> TrainingResult:
    """Trains the compat adapter, from the new task adapter on; while it trains only the new base is in memory.

    validation: needed where `strategy` chooses the checkpoint by flips.
    """
    tokenizer = load_tokenizer(new.base)
    old_right = None if validation is None else validation.old_right(job)
    student = load_model(new, job.dtype, trainable=True)
    samples = None
    if validation is not None and old_right is not None:
        reading = reading_of(student, validation.new_texts, tokenizer.pad_token_id, job.progress, job.label)
        samples = Samples(validation.new_texts, old_right, reading)
    trainer = CompatTrainer(
        model=student,
        args=CompatConfig(**training_arguments(job, len(texts.train)), **strategy.model_dump()),
        old=open_teacher(taught.old),
        new=open_teacher(taught.new),
        train_dataset=as_dataset(texts.train),
        eval_dataset=as_dataset(texts.validation, first=len(texts.train)),
        processing_class=tokenizer,
        validation=samples,
    )
    return train_adapter(trainer, job, RULES[strategy.choose])
