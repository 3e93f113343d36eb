"""The compat adapter of an update: CompatTrainer on texts that both teachers have read already."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from stillright.config import StrategyConfig, TeachersConfig
from stillright.forward.passes import Collate
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.training.checkpoints import RULES
from stillright.training.choice.choice_batches import (
    Samples,
    accepted,
    batch_scores,
    first_samples,
    flips,
    reading_of,
    tree_scores,
)
from stillright.training.choice.choice_loss import is_right
from stillright.training.choice.followed import Followed
from stillright.training.choice.teacher_scores import choice_scores, teacher_scores
from stillright.training.compat import CompatTrainer
from stillright.training.compat_config import CompatConfig
from stillright.training.loop import train_adapter
from stillright.training.means import Mean
from stillright.training.memory import frees_memory
from stillright.training.result import TrainingResult
from stillright.training.settings import Job, training_arguments
from stillright.training.teachers.cached_teachers import CachedTeachers
from stillright.training.teachers.live_teachers import LiveTeachers
from stillright.training.text import ChoiceText, Text, Texts, as_dataset


class Validation(NamedTuple):
    """The validation samples, on which the student is compared with both teachers; of generated answers the reference
    is the only choice."""

    old: ModelRef
    old_texts: list[ChoiceText]
    new_texts: list[ChoiceText]  # the same samples, tokenized for the new model

    def old_scores(self, job: Job) -> Tensor:
        """(n, K) those of the old model, which is gone from memory afterwards."""
        return teacher_scores(self.old, self.old_texts, job.dtype, job.progress, f"{job.label}, old")

    def followed(self, old: Tensor, student: Any, pad_token_id: int, job: Job) -> Followed:
        """The samples with old's scores and the new model's, which the student still is."""
        reading = reading_of(student, self.new_texts, pad_token_id, job.progress, job.label)
        new = choice_scores(student, self.new_texts, reading, job.progress, f"{job.label}, new")
        return Followed(self.new_texts, reading, old, new)


class AnswersCollator:
    """Another collator's batch and, for validation samples, their choices under "answers"."""

    def __init__(self, collate: Collate, validation: Samples, first: int) -> None:
        self.collate = collate
        self.validation = validation
        self.first = first  # number of the first validation text

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        rows = [example["text"] - self.first for example in examples]
        batch = self.collate(examples)
        return {**batch, "answers": self.validation.batch(rows)} if min(rows) >= 0 else batch


class AlignTrainer(CompatTrainer):
    """CompatTrainer whose teachers may be ready, and which may also score choices.

    Data sets hold rows (input_ids, labels, text), where `text` is the number among those that the teachers have read.
    old_model: the teachers where they are ready. validation: the choices of the validation samples, which are scored in
    every evaluation; None: they are not.
    """

    def __init__(self, *args: Any, validation: Samples | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if validation is not None:
            self.data_collator = AnswersCollator(self.data_collator, validation, first=len(self.train_dataset))

    def _teachers(self, old_model: Any) -> CachedTeachers | LiveTeachers:
        return old_model if isinstance(old_model, CachedTeachers | LiveTeachers) else super()._teachers(old_model)

    def computed(self, model: Any, **inputs: Any) -> Any:
        """For a batch of trees the scores of their choices."""
        return tree_scores(model, **inputs) if "branch" in inputs else super().computed(model, **inputs)

    def means(self, model: Any, inputs: dict[str, Any]) -> dict[str, Mean]:
        """Where choices are scored, also the share of samples right, and lost against old."""
        answers = inputs.pop("answers", None)
        means = super().means(model, inputs)
        return means if answers is None else {**means, **flips(batch_scores(model, answers), answers)}

    def keep_first(self, inputs: dict[str, Any], texts: int) -> dict[str, Any]:
        answers = inputs.pop("answers", None)
        kept = super().keep_first(inputs, texts)
        return kept if answers is None else {**kept, "answers": first_samples(answers, texts)}


@frees_memory
def align_adapter(
    new: ModelRef,
    source: CachedTeachers | ModelRef,
    texts: Texts[Text],
    strategy: StrategyConfig,
    teachers: TeachersConfig,
    job: Job,
    validation: Validation,
) -> TrainingResult:
    """Trains the compat adapter, from the new task adapter on.

    source: the teachers' outputs, so that only the new base is in memory; or the old model, which stays there too.
    validation: tells how well the student follows old, and chooses the checkpoint where `strategy` does so by flips.
    """
    tokenizer = load_tokenizer(new.base)
    old_scores = validation.old_scores(job)
    student = load_model(new, job.dtype, trainable=True)
    followed = validation.followed(old_scores, student, tokenizer.pad_token_id, job)
    samples = None
    if strategy.choose == "flips":
        samples = Samples(followed.texts, is_right(old_scores, accepted(followed.texts)), followed.reading)
    trainer = AlignTrainer(
        student,
        load_model(source, job.dtype) if isinstance(source, ModelRef) else source,
        CompatConfig(
            **training_arguments(job, len(texts.train)),
            **strategy.model_dump(include={"mask", "temperature", "ce_weight"}),
            teachers=teachers.form,
            entries=teachers.entries,
        ),
        validation=samples,
        train_dataset=as_dataset(texts.train),
        eval_dataset=as_dataset(texts.validation, first=len(texts.train)),
        processing_class=tokenizer,
    )
    return train_adapter(trainer, job, RULES[strategy.choose], lambda trained: followed.by(trained, job))
