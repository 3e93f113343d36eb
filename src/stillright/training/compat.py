"""CompatTrainer: SFTTrainer with one other loss, the masked distillation from two cached teachers."""

from __future__ import annotations

import functools
import types
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from stillright.config import StrategyConfig
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.training.loop import Job, TrainingResult, as_dataset, train_adapter, training_arguments
from stillright.training.losses import MASKS, CompatLoss, LossSums
from stillright.training.teachers import Teacher, lm_head, run_teacher
from stillright.training.text import Texts

IGNORED = -100


@dataclass
class CompatConfig(SFTConfig):
    """SFTConfig, and what the method adds: see stillright.config.StrategyConfig."""

    mask: str = "student_wrong"
    temperature: float = 2.0
    ce_weight: float = 0.0


class TeacherCollator:
    """TRL's collator, and the teachers' rows of every scored position, text after text: (N, H)."""

    def __init__(self, pad_token_id: int, old: Teacher, new: Teacher) -> None:
        self.collate = DataCollatorForLanguageModeling(pad_token_id=pad_token_id)
        self.old = old
        self.new = new

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Tensor]:
        batch: dict[str, Tensor] = self.collate(examples)
        texts = [example["text"] for example in examples]
        batch["old_hidden"] = torch.cat([self.old.hidden[self.old.rows(text)] for text in texts])
        batch["new_hidden"] = torch.cat([self.new.hidden[self.new.rows(text)] for text in texts])
        batch["old_prediction"] = torch.cat([self.old.prediction[self.old.rows(text)] for text in texts])
        return batch


def add_compat_loss(model: Any, loss: CompatLoss) -> None:
    """Makes `model(..., labels, old_hidden, new_hidden, old_prediction)` return LossSums.

    Inside the forward, because a loss computed beside it would bypass the hooks of DDP and FSDP. Any other call is
    unchanged.
    """
    plain_forward = model.forward

    @functools.wraps(type(model).forward)  # `generate` reads the signature
    def forward(self: Any, *args: Any, old_hidden: Tensor | None = None, **kwargs: Any) -> Any:
        if old_hidden is None:
            return plain_forward(*args, **kwargs)
        labels = kwargs.pop("labels")[:, 1:]
        new_hidden, old_prediction = kwargs.pop("new_hidden"), kwargs.pop("old_prediction")
        states = self.base_model(*args, **kwargs).last_hidden_state[:, :-1]
        scored = labels != IGNORED
        return loss.sums(lm_head(self), states[scored], old_hidden, new_hidden, old_prediction, labels[scored])

    model.forward = types.MethodType(forward, model)


class CompatTrainer(SFTTrainer):
    """Trains an adapter of the new base towards the old and the new model.

    Data sets hold pre-tokenized rows (input_ids, labels, text); `text` numbers the rows of `old` and `new`.
    """

    def __init__(self, model: Any, args: CompatConfig, old: Teacher, new: Teacher, **kwargs: Any) -> None:
        pad = kwargs["processing_class"].pad_token_id
        super().__init__(model=model, args=args, data_collator=TeacherCollator(pad, old, new), **kwargs)
        loss = CompatLoss(old.head, MASKS[args.mask], args.temperature, args.ce_weight)
        add_compat_loss(self.model.get_base_model(), loss)

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["input_ids", "labels", "text"]

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Sum of token losses over the number of scored tokens in the whole optimizer step."""
        sums: LossSums = model(**inputs, use_cache=False)
        tokens = (inputs["labels"][:, 1:] != IGNORED).sum()
        self._note_parts(LossSums(*(part.detach() for part in sums)), int(tokens))
        loss = sums.loss / (tokens if num_items_in_batch is None else num_items_in_batch)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # DDP averages gradients, the count is of all processes
        return (loss, {}) if return_outputs else loss

    def _note_parts(self, sums: LossSums, tokens: int) -> None:
        parts = self._metrics["train" if self.model.training else "eval"]
        follow_old = int(sums.follow_old)
        parts["follow_old"].append(follow_old / tokens)
        parts["kl_old"].append(float(sums.kl_old) / max(follow_old, 1))
        parts["kl_new"].append(float(sums.kl_new) / max(tokens - follow_old, 1))
        parts["cross_entropy"].append(float(sums.cross_entropy) / tokens)


def align_adapter(old: ModelRef, new: ModelRef, texts: Texts, strategy: StrategyConfig, job: Job) -> TrainingResult:
    """Trains the compat adapter, from the new task adapter on; old has left memory when the new base is loaded."""
    every = [*texts.train, *texts.validation]
    old_teacher = run_teacher(load_model(old, job.dtype), every, job.progress, "old teacher")
    student = load_model(new, job.dtype, trainable=True)
    new_teacher = run_teacher(student, every, job.progress, "new teacher")
    trainer = CompatTrainer(
        student,
        CompatConfig(**training_arguments(job, len(texts.train)), **strategy.model_dump()),
        old_teacher,
        new_teacher,
        train_dataset=as_dataset(texts.train),
        eval_dataset=as_dataset(texts.validation, first=len(texts.train)),
        processing_class=load_tokenizer(new.base),
    )
    return train_adapter(trainer, job)
