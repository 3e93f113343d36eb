"""Training texts, and samples with choices, as token ids: what is scored, how they are split and put into batches."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import datasets

from stillright.errors import DataError
from stillright.forward.trees import Ids, Tree, batch_tokens

if TYPE_CHECKING:
    import torch

IGNORED = -100  # label of a position that is not scored
T = TypeVar("T")


@dataclass(frozen=True)
class Text:
    """One training text."""

    ids: Ids
    first: int = 1  # place of the first token whose prediction is scored; that at 0 is never predicted
    lost: int = field(default=0, compare=False)  # tokens cut off at its start

    @property
    def scored(self) -> Ids:
        """The tokens whose prediction is scored."""
        return self.ids[self.first :]

    @property
    def example(self) -> dict[str, Any]:
        """The row of a data set, as a collator reads it."""
        return {"input_ids": self.ids, "labels": [IGNORED] * (len(self.ids) - len(self.scored)) + self.scored}


@dataclass(frozen=True)
class ChoiceText(Tree):
    """One sample: token ids of the prompt and of each choice."""

    lengths: list[int]  # what the task's metric divides log-likelihoods by
    accepted: list[int]  # numbers of the right choices, usually one; none where it is not known

    @property
    def gold(self) -> int:
        """Number of the right choice that is trained on, the first of several; IGNORED where it is not known."""
        return self.accepted[0] if self.accepted else IGNORED

    @property
    def example(self) -> dict[str, Any]:
        """The row of a data set: the ids are there for their length alone, a collator reads the tree."""
        return {"input_ids": self.ids}


class Texts(NamedTuple, Generic[T]):
    """Texts, as token ids or as trees of choices, cut into what is trained on and what chooses the checkpoint."""

    train: list[T]
    validation: list[T]


def cut_texts(texts: Texts[Text]) -> int:
    """How many texts have lost tokens to `max_length`."""
    return sum(text.lost > 0 for text in (*texts.train, *texts.validation))


def as_dataset(texts: Sequence[Text | ChoiceText], first: int = 0) -> datasets.Dataset:
    """Their examples, with the text's number from `first` on."""
    return datasets.Dataset.from_list([{**text.example, "text": i} for i, text in enumerate(texts, start=first)])


def batches(lengths: Sequence[int], device: torch.device) -> Iterator[list[int]]:
    """Numbers of texts of like length, for a forward pass each on this device."""
    batch: list[int] = []
    most = batch_tokens(device)
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[i] * (len(batch) + 1) > most:
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
