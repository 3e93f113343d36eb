"""Which choice a metric ranks first: the same in training and in prediction."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# what each metric divides the log-likelihood of a choice by: nothing, its characters, its bytes
LENGTHS: dict[str, Callable[[str], int]] = {
    "acc": lambda choice: 1,
    "acc_norm": len,
    "acc_bytes": lambda choice: len(choice.encode()),
}
ABSENT = -1e4  # score of a choice that a sample does not have


def normalized(sums: Tensor, lengths: Tensor) -> Tensor:
    """Scores (..., K) of summed log-likelihoods: divided by the metric's lengths, ABSENT where those are 0."""
    return torch.where(lengths > 0, sums / lengths.clamp_min(1), ABSENT)


def chosen(scores: Tensor) -> Tensor:
    """(...) number of the choice with the highest score (..., K), the first of equal ones."""
    return scores.argmax(dim=-1)
