"""Samples with choices, tokenized as the harness scores them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stillright.errors import TaskError
from stillright.forward.trees import Ids, Tree
from stillright.tasks import Task
from stillright.tasks.encoding import encode_pairs
from stillright.training.text import IGNORED

Sample = tuple[str, list[str]]  # prompt and choices


@dataclass(frozen=True)
class ChoiceText(Tree):
    """One sample: token ids of the prompt and of each choice."""

    lengths: list[int]  # what the task's metric divides log-likelihoods by
    accepted: list[int]  # numbers of the right choices, usually one; none where it is not known

    @property
    def gold(self) -> int:
        """Number of the right choice that is trained on, the first of several; IGNORED where it is not known."""
        return self.accepted[0] if self.accepted else IGNORED


def encode_choices(task: Task, tokenizer: Any, max_length: int) -> list[ChoiceText]:
    """Every training document; prompts are cut at their start beyond `max_length`.

    Raises TaskError where the task's answers are not choices.
    """
    if not task.is_choice:
        raise TaskError(f"task {task.name}: its answers are generated, and choice strategies need choices; use another")
    documents = task.train_documents
    samples = [(task.prompt(document), task.choices(document)) for document in documents]
    accepted = [task.accepted(document) for document in documents]
    return _encode(task, samples, accepted, tokenizer, max_length)


def encode_unlabelled(task: Task, samples: list[Sample], tokenizer: Any, max_length: int) -> list[ChoiceText]:
    """The same for samples whose right choice is not known."""
    return _encode(task, samples, [[]] * len(samples), tokenizer, max_length)


def _encode(
    task: Task, samples: list[Sample], accepted: list[list[int]], tokenizer: Any, max_length: int
) -> list[ChoiceText]:
    pairs = [(prompt, task.continuation(choice)) for prompt, choices in samples for choice in choices]
    encoded = iter(encode_pairs(pairs, tokenizer))
    texts = []
    for (_, choices), right in zip(samples, accepted, strict=True):
        prompts, continuations = zip(*(next(encoded) for _ in choices), strict=True)
        prompt = cut_prompt(prompts[0], continuations, max_length)
        texts.append(ChoiceText(prompt, list(continuations), task.choice_lengths(choices), right))
    return texts


def cut_prompt(prompt: Ids, continuations: tuple[Ids, ...], max_length: int) -> Ids:
    """The end of the prompt that fits `max_length` with the longest continuation, at least one token."""
    return prompt[-max(1, max_length - max(map(len, continuations))) :]
