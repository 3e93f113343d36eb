"""Validation samples on which a student is compared with both teachers, to see how far it follows old."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from stillright.training.choice.choice_batches import Reading, accepted
from stillright.training.choice.teacher_scores import choice_scores
from stillright.training.imitation import Imitation, imitation, margins
from stillright.training.settings import Job
from stillright.training.text import ChoiceText


class Followed(NamedTuple):
    """n samples with what the teachers make of them; of generated answers the reference is the only choice."""

    texts: list[ChoiceText]  # tokenized for the student
    reading: Reading
    old: Tensor  # (n, K) scores
    new: Tensor  # (n, K)

    def by(self, student: Any, job: Job) -> Imitation:
        """How well the student, which is asked now, imitates old."""
        scores = choice_scores(student, self.texts, self.reading, job.progress, f"{job.label}, validation samples")
        right = accepted(self.texts)
        return imitation(*(margins(each, right) for each in (scores, self.old, self.new)))
