"""The compat adapter of an update: CompatTrainer on texts that both teachers have read already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stillright.config import StrategyConfig, TeachersConfig
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.training.checkpoints import RULES
from stillright.training.choice.choice_batches import Samples, batch_scores, first_samples, flips
from stillright.training.compat import CompatTrainer
from stillright.training.compat_config import CompatConfig
from stillright.training.loop import train_adapter
from stillright.training.means import Mean
from stillright.training.memory import frees_memory
from stillright.training.result import TrainingResult
from stillright.training.settings import Job, training_arguments
from stillright.training.teachers.cached_teachers import CachedTeachers, TeacherFolders
from stillright.training.teachers.live_teachers import LiveTeachers
from stillright.training.text import Text, Texts, as_dataset
from stillright.training.validation_flips import AnswersCollator, Validation, sums_or_scores

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class AlignTrainer(CompatTrainer):
    """CompatTrainer whose teachers may be ready, and which may also score choices.

    Data sets hold rows (input_ids, labels, text), where `text` is the number among those that the teachers have read.
    validation: the choices of the validation samples, which are scored in every evaluation; None: they are not.
    """

    compute = staticmethod(sums_or_scores)

    def __init__(
        self,
        model: Any,
        teachers: CachedTeachers | LiveTeachers | PreTrainedModel | PeftModel,
        args: CompatConfig,
        *,
        validation: Samples | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, teachers, args, **kwargs)
        if validation is not None:
            self.data_collator = AnswersCollator(self.data_collator, validation, first=len(self.train_dataset))

    def _teachers(self, old_model: Any) -> CachedTeachers | LiveTeachers:
        return old_model if isinstance(old_model, CachedTeachers | LiveTeachers) else super()._teachers(old_model)

    def means(self, model: Any, inputs: dict[str, Any]) -> dict[str, Mean]:
        """See ForwardLossTrainer; where choices are scored, also the share of samples right, and lost against old."""
        answers = inputs.pop("answers", None)
        means = super().means(model, inputs)
        return means if answers is None else {**means, **flips(batch_scores(model, answers), answers)}

    def keep_first(self, inputs: dict[str, Any], texts: int) -> dict[str, Any]:
        """See ForwardLossTrainer."""
        answers = inputs.pop("answers", None)
        kept = super().keep_first(inputs, texts)
        return kept if answers is None else {**kept, "answers": first_samples(answers, texts)}


@frees_memory
def align_adapter(
    new: ModelRef,
    source: TeacherFolders | ModelRef,
    texts: Texts[Text],
    strategy: StrategyConfig,
    teachers: TeachersConfig,
    job: Job,
    validation: Validation | None = None,
) -> TrainingResult:
    """Trains the compat adapter, from the new task adapter on.

    source: the teachers' caches, so that only the new base is in memory; or the old model, which stays there too.
    validation: needed where `strategy` chooses the checkpoint by flips.
    """
    tokenizer = load_tokenizer(new.base)
    old_right = None if validation is None else validation.old_right(job)
    student = load_model(new, job.dtype, trainable=True)
    samples = None
    if validation is not None and old_right is not None:
        samples = validation.samples(old_right, student, tokenizer.pad_token_id, job)
    trainer = AlignTrainer(
        student,
        source.open() if isinstance(source, TeacherFolders) else load_model(source, job.dtype),
        CompatConfig(
            **training_arguments(job, len(texts.train)),
            **strategy.model_dump(exclude={"choose"}),
            teachers=teachers.form,
            entries=teachers.entries,
        ),
        validation=samples,
        train_dataset=as_dataset(texts.train),
        eval_dataset=as_dataset(texts.validation, first=len(texts.train)),
        processing_class=tokenizer,
    )
    return train_adapter(trainer, job, RULES[strategy.choose])
