"""What is trained: prompt and right answer, tokenized by the harness itself, so that it is what is scored."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from stillright.config.update import LossOn
from stillright.errors import DataError, ModelError
from stillright.forward.trees import BATCH_TOKENS, Ids
from stillright.tasks import Task
from stillright.tasks.encoding import encode_pairs

IGNORED = -100  # label of a position that is not scored
T = TypeVar("T")


@dataclass(frozen=True)
class Text:
    """One training text."""

    ids: Ids
    first: int = 1  # place of the first token whose prediction is scored; that at 0 is never predicted

    @property
    def scored(self) -> Ids:
        """The tokens whose prediction is scored."""
        return self.ids[self.first :]

    @property
    def example(self) -> dict[str, Any]:
        """The row of a data set, as a collator reads it."""
        return {"input_ids": self.ids, "labels": [IGNORED] * (len(self.ids) - len(self.scored)) + self.scored}


class Texts(NamedTuple, Generic[T]):
    """Texts, as token ids or as trees of choices, cut into what is trained on and what chooses the checkpoint."""

    train: list[T]
    validation: list[T]


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
    delimiter = task.harness.config.target_delimiter
    pairs = [(prompt, f"{delimiter}-") for prompt, _ in task.unlabelled]  # any answer
    return [Text(prompt[-max_length:]) for prompt, _ in encode_pairs(pairs, tokenizer)]


def cut_text(prompt: Ids, completion: Ids, max_length: int, loss_on: LossOn) -> Text:
    """The last `max_length` tokens of prompt and completion, with the place from which they are scored."""
    ids = [*prompt, *completion][-max_length:]
    return Text(ids, max(1, len(ids) - len(completion)) if loss_on == "completion" else 1)


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of texts of like length, at most BATCH_TOKENS together, padding included."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[i] * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def split_texts(texts: list[T], validation_fraction: float, seed: int) -> Texts[T]:
    """Texts drawn into train and validation. Raises DataError where one would be empty."""
    order = list(range(len(texts)))
    random.Random(seed).shuffle(order)
    held = round(len(texts) * validation_fraction)
    if not 0 < held < len(texts):
        raise DataError(
            f"{len(texts)} training texts and validation_fraction {validation_fraction} leave an empty split; "
            "give more training data or another fraction"
        )
    return Texts([texts[i] for i in order[held:]], [texts[i] for i in order[:held]])


def refuse_different_tokenizers(old: list[Text], new: list[Text]) -> None:
    """Raises ModelError where the two tokenizers cut some training text differently."""
    for i, (a, b) in enumerate(zip(old, new, strict=True)):
        if a != b:
            raise ModelError(
                f"the tokenizers of old and new differ (training text {i}: {len(a.ids)} and {len(b.ids)} ids); "
                "updates that change the tokenizer are supported only by the choice strategies "
                "(choice, choice_mixture, choice_ce)"
            )
