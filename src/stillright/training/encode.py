"""Documents as training texts, or as samples with choices: tokenized by the harness itself, so that they are what is
scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stillright.config.update import LossOn
from stillright.errors import TaskError
from stillright.forward.trees import Ids
from stillright.tasks import Task
from stillright.tasks.encoding import encode_pairs
from stillright.tasks.task import Document
from stillright.training.text import ChoiceText, Text


def encode_texts(
    task: Task, tokenizer: Any, max_length: int, loss_on: LossOn, answers: Sequence[str | None] | None = None
) -> list[Text]:
    """Every training document, at most `max_length` tokens, cut from the left as the harness does.

    An end-of-text token follows generated answers only; a choice is scored without one. loss_on: see TrainingConfig;
    the harness decides where an answer begins. answers: for each document one in place of the dataset's, or None.
    """
    end = _end(task, tokenizer)
    given = answers or [None] * len(task.train_documents)
    pairs = [
        (task.prompt(document), task.right_answer(document) if answer is None else task.continuation(answer))
        for document, answer in zip(task.train_documents, given, strict=True)
    ]
    return [cut_text(prompt, [*answer, *end], max_length, loss_on) for prompt, answer in encode_pairs(pairs, tokenizer)]


def _end(task: Task, tokenizer: Any) -> Ids:
    """What follows an answer."""
    return [] if task.is_choice or tokenizer.eos_token_id is None else [tokenizer.eos_token_id]


def encode_references(task: Task, documents: list[Document], tokenizer: Any, max_length: int) -> list[ChoiceText]:
    """These documents of a task with generated answers, each with its right answer as the only choice; of them the same
    tokens are read and scored as of training texts."""
    pairs = [(task.prompt(document), task.right_answer(document)) for document in documents]
    end, found = _end(task, tokenizer), []
    for prompt, answer in encode_pairs(pairs, tokenizer):
        text = cut_text(prompt, [*answer, *end], max_length, "completion")
        found.append(ChoiceText(text.ids[: text.first], [text.scored], [1], [0]))
    return found


def encode_prompts(task: Task, tokenizer: Any, max_length: int) -> list[Text]:
    """The prompts without answers, cut as those of the others."""
    pairs = [(prompt, task.continuation("-")) for prompt, _ in task.unlabelled]  # any answer
    return [cut_text(prompt, [], max_length, "all") for prompt, _ in encode_pairs(pairs, tokenizer)]


def cut_text(prompt: Ids, completion: Ids, max_length: int, loss_on: LossOn) -> Text:
    """The last `max_length` tokens of prompt and completion, with the place from which they are scored."""
    whole = [*prompt, *completion]
    ids = whole[-max_length:]
    first = max(1, len(ids) - len(completion)) if loss_on == "completion" else 1
    return Text(ids, first, lost=len(whole) - len(ids))


def encode_choices(task: Task, tokenizer: Any, max_length: int) -> list[ChoiceText]:
    """Every training document; prompts are cut at their start beyond `max_length`, to one token at least.

    Raises TaskError where the task's answers are not choices.
    """
    if not task.is_choice:
        raise TaskError(f"task {task.name}: its answers are generated, and choice strategies need choices; use another")
    return encode_documents(task, task.train_documents, tokenizer, max_length)


def encode_documents(task: Task, documents: list[Document], tokenizer: Any, max_length: int) -> list[ChoiceText]:
    """These documents of a task with choices, whose right ones are known; cut as by `encode_choices`."""
    samples = [(task.prompt(document), task.choices(document)) for document in documents]
    accepted = [task.accepted(document) for document in documents]
    return encode_samples(task, samples, accepted, tokenizer, max_length)


def encode_samples(
    task: Task, samples: list[tuple[str, list[str]]], accepted: list[list[int]], tokenizer: Any, max_length: int
) -> list[ChoiceText]:
    """Samples (prompt, choices); accepted: numbers of the right choices of each, none where they are not known."""
    pairs = [(prompt, task.continuation(choice)) for prompt, choices in samples for choice in choices]
    encoded = iter(encode_pairs(pairs, tokenizer))
    texts = []
    for (_, choices), right in zip(samples, accepted, strict=True):
        prompts, continuations = zip(*(next(encoded) for _ in choices), strict=True)
        room = max(1, max_length - max(map(len, continuations)))
        texts.append(ChoiceText(prompts[0][-room:], list(continuations), task.choice_lengths(choices), right))
    return texts
