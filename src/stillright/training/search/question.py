"""What models are asked, to choose between them: samples with choices, or samples whose answers are generated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stillright import ranks
from stillright.models import Source, load_tokenizer
from stillright.prediction.harness_model import asked
from stillright.progress import Progress
from stillright.tasks import Task
from stillright.tasks.task import Document
from stillright.training.choice.choice_batches import accepted, reading_of
from stillright.training.choice.choice_loss import is_right
from stillright.training.choice.teacher_scores import choice_scores
from stillright.training.text import ChoiceText

Ask = Callable[[Any, str], Tensor]  # model, what the bar says -> (n, K) scores of choices, (n, 1) of generated texts


class Question(NamedTuple):
    """n samples that no model was trained on, for models of one base."""

    ask: Ask
    accepted: Tensor | None  # (n, K) bool, which choices are right; None: texts, whose scores are from 0 to 1

    def outcomes(self, scores: Tensor) -> Tensor:
        """(n,) 1 where the answer is right, 0 where it is wrong; of texts their scores."""
        return scores[:, 0] if self.accepted is None else is_right(scores, self.accepted).float()


def of_choices(texts: list[ChoiceText], base: Source, progress: Progress) -> Question:
    """texts: the samples as this base reads them."""
    pad = load_tokenizer(base).pad_token_id

    def ask(model: Any, label: str) -> Tensor:
        return choice_scores(model, texts, reading_of(model, texts, pad, progress, label), progress, label)

    return Question(ask, accepted(texts))


def of_texts(
    task: Task, documents: Sequence[Document], base: Source, max_length: int, batch_size: int, progress: Progress
) -> Question:
    """The task's documents; their answers are generated as for predictions, and processes share them."""
    prompts = [task.prompt(document) for document in documents]

    def ask(model: Any, label: str) -> Tensor:
        lm, todo = asked([model], [base], batch_size, max_length), ranks.share(range(len(documents)))
        with progress.bar(label, len(todo)) as lm.bar:
            answers = lm.generations([prompts[i] for i in todo], task.generation) if todo else []
        scored = [(i, task.score(documents[i], answer)) for i, answer in zip(todo, answers, strict=True)]
        return torch.tensor([[score] for _, score in sorted(ranks.gather(scored))])

    return Question(ask, None)
