"""The answers to validation samples while tokens are trained: how many are right, and how many of old's are lost."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from stillright.forward.passes import Collate
from stillright.models import ModelRef
from stillright.training.choice.choice_batches import Samples, accepted, reading_of, tree_scores
from stillright.training.choice.choice_loss import is_right
from stillright.training.choice.choice_texts import ChoiceText
from stillright.training.choice.teacher_scores import teacher_scores
from stillright.training.settings import Job
from stillright.training.token_trainer import token_sums


class Validation(NamedTuple):
    """The validation samples, to choose the checkpoint by flips."""

    old: ModelRef
    old_texts: list[ChoiceText]
    new_texts: list[ChoiceText]  # the same samples, tokenized for the new model

    def old_right(self, job: Job) -> Tensor:
        """(n,) whether the old model, which is gone from memory afterwards, answers right."""
        scores = teacher_scores(self.old, self.old_texts, job.dtype, job.progress, "old teacher")
        return is_right(scores, accepted(self.old_texts))

    def samples(self, old_right: Tensor, student: Any, pad_token_id: int, job: Job) -> Samples:
        """As the student reads them."""
        return Samples(
            self.new_texts, old_right, reading_of(student, self.new_texts, pad_token_id, job.progress, job.label)
        )


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


def sums_or_scores(loss: Any, ask: Any, model: Any, **inputs: Any) -> Any:
    """The sums of a loss for a batch of texts, see `token_sums`; the scores of the choices for a batch of trees."""
    return tree_scores(model, **inputs) if "branch" in inputs else token_sums(loss, ask, model, **inputs)
