"""Samples with choices, tokenized as the harness scores them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stillright.errors import TaskError
from stillright.forward.trees import Ids, Tree
from stillright.tasks import Task
from stillright.training.text import encode_pairs

ABSENT = -1e4  # score of a choice that a sample does not have


@dataclass(frozen=True)
class ChoiceText(Tree):
    """One sample: token ids of the prompt and of each choice."""

    lengths: list[int]  # what log-likelihoods are divided by, as the task's metric has it
    accepted: list[int]  # numbers of the right choices, mostly one

    @property
    def gold(self) -> int:
        """Number of the right choice that is trained on, the first of several."""
        return self.accepted[0]


def encode_choices(task: Task, tokenizer: Any, max_length: int) -> list[ChoiceText]:
    """Every training document; prompts lose their beginning beyond `max_length`.

    Raises TaskError where the task's answers are not choices.
    """
    if not task.is_choice:
        raise TaskError(f"task {task.name}: its answers are generated; choice strategies need choices")
    samples = [
        (task.prompt(document), task.choices(document), task.accepted(document)) for document in task.train_documents
    ]
    delimiter = task.harness.config.target_delimiter
    pairs = [(prompt, f"{delimiter}{choice}") for prompt, choices, _ in samples for choice in choices]
    encoded = iter(encode_pairs(pairs, tokenizer))
    texts = []
    for _, choices, accepted in samples:
        prompts, continuations = zip(*(next(encoded) for _ in choices), strict=True)
        lengths = task.choice_lengths(choices)
        texts.append(
            ChoiceText(cut_prompt(prompts[0], continuations, max_length), list(continuations), lengths, accepted)
        )
    return texts


def cut_prompt(prompt: Ids, continuations: tuple[Ids, ...], max_length: int) -> Ids:
    """The end of the prompt that fits `max_length` with the longest continuation, at least one token."""
    return prompt[-max(1, max_length - max(map(len, continuations))) :]
