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
from stillright.training.head_loss import LossSums
from stillright.training.loop import Job, TrainingResult, as_dataset, frees_memory, train_adapter, training_arguments
from stillright.training.losses import CompatLoss
from stillright.training.strategies import STRATEGIES
from stillright.training.teachers import Teacher, open_teacher
from stillright.training.text import Ids, Texts
from stillright.training.trainer import AdapterTrainer, Mean


@dataclass
class CompatConfig(SFTConfig):
    """SFTConfig, and what the method adds: see stillright.config.StrategyConfig."""

    mask: str = "student_wrong"
    temperature: float = 2.0
    ce_weight: float = 0.0


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


class CompatTrainer(AdapterTrainer):
    """Trains an adapter of the new base towards the old and the new model.

    Data sets hold pre-tokenized rows (input_ids, labels, text); `text` numbers the rows of `old` and `new`.
    """

    def __init__(self, args: CompatConfig, old: Teacher, new: Teacher, **kwargs: Any) -> None:
        loss = CompatLoss(old.head.to(args.device), STRATEGIES[args.mask], args.temperature, args.ce_weight)
        collator = TeacherCollator(kwargs["processing_class"].pad_token_id, args.pad_to_multiple_of, old, new)
        super().__init__(loss, args=args, data_collator=collator, **kwargs)

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


@frees_memory
def align_adapter(
    new: ModelRef, taught: Taught, texts: Texts[Ids], strategy: StrategyConfig, job: Job
) -> TrainingResult:
    """Trains the compat adapter, from the new task adapter on; only the new base is in memory."""
    trainer = CompatTrainer(
        model=load_model(new, job.dtype, trainable=True),
        args=CompatConfig(**training_arguments(job, len(texts.train)), **strategy.model_dump()),
        old=open_teacher(taught.old),
        new=open_teacher(taught.new),
        train_dataset=as_dataset(texts.train),
        eval_dataset=as_dataset(texts.validation, first=len(texts.train)),
        processing_class=load_tokenizer(new.base),
    )
    return train_adapter(trainer, job)
