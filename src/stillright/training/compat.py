"""CompatTrainer: the masked distillation from two teachers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from trl import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from stillright.config import StrategyConfig
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.training.answers import AnswersCollator, Validation, sums_or_scores
from stillright.training.cached import CachedTeachers, Collate, Taught, TeacherCollator
from stillright.training.checkpoints import RULES
from stillright.training.choice import Samples, batch_scores, first_samples, flips
from stillright.training.head_loss import LossSums
from stillright.training.live import LiveTeachers
from stillright.training.loop import Job, TrainingResult, as_dataset, frees_memory, train_adapter, training_arguments
from stillright.training.losses import CompatLoss
from stillright.training.strategies import STRATEGIES
from stillright.training.text import Text, Texts
from stillright.training.trainer import AdapterTrainer, Mean


@dataclass
class CompatConfig(SFTConfig):
    """SFTConfig, and what the method adds: see stillright.config.StrategyConfig."""

    mask: str = "student_wrong"
    temperature: float = 2.0
    ce_weight: float = 0.0
    choose: str = "loss"


class CompatTrainer(AdapterTrainer):
    """Trains an adapter of the new base towards the old and the new model.

    Data sets hold pre-tokenized rows (input_ids, labels, text); `text` numbers the rows of cached teachers.
    validation: the choices of the validation samples, which are scored in every evaluation; None: they are not.
    Raises ModelError, see `CachedTeachers.refuse_unlike`.
    """

    compute = staticmethod(sums_or_scores)

    def __init__(
        self,
        args: CompatConfig,
        teachers: CachedTeachers | LiveTeachers,
        validation: Samples | None = None,
        **kwargs: Any,
    ) -> None:
        loss = CompatLoss(teachers.readers.to(args.device), STRATEGIES[args.mask], args.temperature, args.ce_weight)
        pad_token_id = kwargs["processing_class"].pad_token_id
        collate: Collate = DataCollatorForLanguageModeling(pad_token_id, pad_to_multiple_of=args.pad_to_multiple_of)
        if isinstance(teachers, CachedTeachers):
            teachers.refuse_unlike(args.temperature)
            collate = TeacherCollator(collate, teachers)
        if validation is not None:
            collate = AnswersCollator(collate, validation, first=len(kwargs["train_dataset"]))
        ask = teachers.say if isinstance(teachers, LiveTeachers) else None
        super().__init__(loss, ask, args=args, data_collator=collate, **kwargs)

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


@frees_memory
def align_adapter(
    new: ModelRef,
    taught: Taught | ModelRef,
    texts: Texts[Text],
    strategy: StrategyConfig,
    job: Job,
    validation: Validation | None = None,
) -> TrainingResult:
    """Trains the compat adapter, from the new task adapter on.

    taught: what the teachers said, so that only the new base is in memory; or the old model, to stay there too.
    validation: needed where `strategy` chooses the checkpoint by flips.
    """
    tokenizer = load_tokenizer(new.base)
    old_right = None if validation is None else validation.old_right(job)
    student = load_model(new, job.dtype, trainable=True)
    samples = None
    if validation is not None and old_right is not None:
        samples = validation.samples(old_right, student, tokenizer.pad_token_id, job)
    trainer = CompatTrainer(
        CompatConfig(**training_arguments(job, len(texts.train)), **strategy.model_dump()),
        taught.open() if isinstance(taught, Taught) else LiveTeachers(load_model(taught, job.dtype), student),
        samples,
        model=student,
        train_dataset=as_dataset(texts.train),
        eval_dataset=as_dataset(texts.validation, first=len(texts.train)),
        processing_class=tokenizer,
    )
    return train_adapter(trainer, job, RULES[strategy.choose])
