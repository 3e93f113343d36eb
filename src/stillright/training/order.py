"""In which order several processes read texts, so that together they read each once.

The trainer's own order by length comes from the random numbers of each process, which part as soon as one of them draws
more than another, for the dropout of a longer batch for instance. Then some texts would be read twice and others not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from transformers.trainer_pt_utils import LengthGroupedSampler


class AgreedSampler(LengthGroupedSampler):
    """Texts of like length together, in an order that nothing determines but the seed and the epoch."""

    def __init__(self, batch_size: int, lengths: list[int], seed: int) -> None:
        super().__init__(batch_size, lengths=lengths)
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch, the first after a resume too."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self.generator = torch.Generator().manual_seed(self.seed + self.epoch)
        return iter(super().__iter__())


def longest_first(lengths: list[int]) -> list[int]:
    """Numbers of texts by length: the order of an evaluation, the same each time."""
    return sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)


def lengths_of(dataset: Any) -> list[int]:
    """Tokens of each row of a data set with a column input_ids."""
    return [len(ids) for ids in dataset["input_ids"]]
