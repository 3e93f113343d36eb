"""Prompts and right answers as training texts, tokenized by the harness itself, so that they are what is scored."""

from __future__ import annotations

from typing import Any

from stillright.config.update import LossOn
from stillright.forward.trees import Ids
from stillright.tasks import Task
from stillright.tasks.encoding import encode_pairs
from stillright.training.text import Text


def encode_texts(task: Task, tokenizer: Any, max_length: int, loss_on: LossOn) -> list[Text]:
    """Every training document, at most `max_length` tokens, cut from the left as the harness does.

    An end-of-text token follows generated answers only; a choice is scored without one. loss_on: see TrainingConfig;
    the harness decides where an answer begins.
    """
    end = [] if task.is_choice or tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    pairs = [(task.prompt(document), task.right_answer(document)) for document in task.train_documents]
    return [cut_text(prompt, [*answer, *end], max_length, loss_on) for prompt, answer in encode_pairs(pairs, tokenizer)]


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
