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
from stillright.errors import ModelError
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.training.forms import Hidden
from stillright.training.head_loss import LossSums
from stillright.training.live import LiveTeachers
from stillright.training.loop import Job, TrainingResult, as_dataset, frees_memory, train_adapter, training_arguments
from stillright.training.losses import CompatLoss
from stillright.training.strategies import STRATEGIES
from stillright.training.taught import PartReaders, Readers, WholeReaders
from stillright.training.teachers import Teacher, open_teacher
from stillright.training.text import Text, Texts
from stillright.training.trainer import AdapterTrainer, Mean


@dataclass
class CompatConfig(SFTConfig):
    """SFTConfig, and what the method adds: see stillright.config.StrategyConfig."""

    mask: str = "student_wrong"
    temperature: float = 2.0
    ce_weight: float = 0.0


class CachedTeachers(NamedTuple):
    """Both teachers, who have run already. Raises ModelError, see `refuse_unlike`."""

    old: Teacher
    new: Teacher

    @property
    def readers(self) -> Readers:
        """What turns their words into targets."""
        form = self.old.form
        if isinstance(form, Hidden):
            assert self.old.head is not None  # it is kept with this form
            return WholeReaders(self.old.head)
        return PartReaders(form.read, self.old.vocabulary)

    def refuse_unlike(self, temperature: float) -> None:
        """Raises ModelError where the two do not speak alike, or at another temperature than the loss."""
        form = self.old.form
        alike = form == self.new.form
        if not isinstance(form, Hidden):  # states know neither temperature nor vocabulary
            alike &= form.temperature == temperature and self.old.vocabulary == self.new.vocabulary
        if not alike:
            raise ModelError(
                f"teachers kept as {form} of {self.old.vocabulary} pieces and {self.new.form} of "
                f"{self.new.vocabulary} cannot teach at temperature {temperature}; let both run again alike"
            )


class TeacherCollator:
    """TRL's collator, and the teachers' rows of every scored position, text after text: (N, ...)."""

    def __init__(self, pad_token_id: int, teachers: CachedTeachers) -> None:
        self.collate = DataCollatorForLanguageModeling(pad_token_id=pad_token_id)
        self.old, self.new = teachers

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = self.collate(examples)
        texts = [example["text"] for example in examples]
        old, new = ([teacher.rows(text) for text in texts] for teacher in (self.old, self.new))
        batch["taught_old"] = {name: _rows(column, old) for name, column in self.old.said.words.items()}
        batch["taught_new"] = {name: _rows(column, new) for name, column in self.new.said.words.items()}
        batch["taught_old_prediction"] = _rows(self.old.said.prediction, old)
        batch["taught_old_logp"] = _rows(self.old.said.logp, old)
        return batch


def _rows(column: Tensor, parts: list[slice]) -> Tensor:
    return torch.cat([column[part] for part in parts])


class CompatTrainer(AdapterTrainer):
    """Trains an adapter of the new base towards the old and the new model.

    Data sets hold pre-tokenized rows (input_ids, labels, text); `text` numbers the rows of cached teachers. Raises
    ModelError, see `CachedTeachers`.
    """

    def __init__(self, args: CompatConfig, teachers: CachedTeachers | LiveTeachers, **kwargs: Any) -> None:
        loss = CompatLoss(teachers.readers.to(args.device), STRATEGIES[args.mask], args.temperature, args.ce_weight)
        if isinstance(teachers, LiveTeachers):
            super().__init__(loss, teachers.say, args=args, **kwargs)
        else:
            teachers.refuse_unlike(args.temperature)
            collator = TeacherCollator(kwargs["processing_class"].pad_token_id, teachers)
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

    def open(self) -> CachedTeachers:
        """The teachers, memory-mapped."""
        return CachedTeachers(open_teacher(self.old), open_teacher(self.new))


@frees_memory
def align_adapter(
    new: ModelRef, taught: Taught | ModelRef, texts: Texts[Text], strategy: StrategyConfig, job: Job
) -> TrainingResult:
    """Trains the compat adapter, from the new task adapter on.

    taught: what the teachers said, so that only the new base is in memory; or the old model, to stay there too.
    """
    student = load_model(new, job.dtype, trainable=True)
    teachers = taught.open() if isinstance(taught, Taught) else LiveTeachers(load_model(taught, job.dtype), student)
    trainer = CompatTrainer(
        model=student,
        args=CompatConfig(**training_arguments(job, len(texts.train)), **strategy.model_dump()),
        teachers=teachers,
        train_dataset=as_dataset(texts.train),
        eval_dataset=as_dataset(texts.validation, first=len(texts.train)),
        processing_class=load_tokenizer(new.base),
    )
    return train_adapter(trainer, job)
