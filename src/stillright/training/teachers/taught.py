"""What both teachers said of the positions of a chunk, and the one target that follows from it for each.

Knows tensors and heads; nothing of the rule that chooses between the teachers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from stillright.errors import ConfigError
from stillright.forward.heads import LMHead
from stillright.training.teachers.forms import Words
from stillright.training.teachers.targets import Dense, Target


class TaughtRows(NamedTuple):
    """What the loss needs of N positions beside the student."""

    old: Words  # columns of the form
    new: Words
    old_prediction: Tensor  # (N,) most likely next token of the old model
    old_logp: Tensor  # (N,) its log-probability of the label
    labels: Tensor  # (N,)
    sequence: Tensor  # (N,) number of the text within the batch
    follows_old: Tensor | None = None  # (N,) bool, where a rule of whole texts has decided already


class Readers(Protocol):
    """What turns the words of both teachers into targets."""

    @property
    def vocabulary(self) -> int:
        """How many pieces both teachers speak of; the student may know fewer or more."""

    def to(self, device: Any) -> Readers:
        """The same on a device."""

    def target(
        self, head: LMHead, rows: TaughtRows, follows_old: Tensor | None, like: Tensor, temperature: float
    ) -> Target:
        """Of N rows; head: the student's own; follows_old: (N,) bool, None: the mean of both; like: logits (N, V)."""


class WholeReaders(NamedTuple):
    """Of states before the heads: the old model's, and the student's own for the new one."""

    old_head: LMHead

    @property
    def vocabulary(self) -> int:
        """See Readers."""
        return len(self.old_head.weight)

    def to(self, device: Any) -> WholeReaders:
        """See Readers."""
        return WholeReaders(self.old_head.to(device))

    def target(
        self, head: LMHead, rows: TaughtRows, follows_old: Tensor | None, like: Tensor, temperature: float
    ) -> Target:
        """See Readers."""
        old, new, pieces = rows.old["hidden"], rows.new["hidden"], like.shape[1]
        if follows_old is None:
            both = (self.old_head.logits(old, pieces), head.logits(new, pieces))
            logs = [functional.log_softmax(logits.to(like.dtype) / temperature, dim=-1) for logits in both]
            return Dense(torch.logaddexp(*logs) - math.log(2))
        logits = torch.empty_like(like)
        logits[follows_old] = self.old_head.logits(old[follows_old], pieces).to(like.dtype)
        logits[~follows_old] = head.logits(new[~follows_old], pieces).to(like.dtype)
        return Dense(functional.log_softmax(logits.div_(temperature), dim=-1))


class PartReaders(NamedTuple):
    """Of a few pieces a position, whose probabilities are at the temperature already."""

    read: Callable[[Words], Target]
    vocabulary: int

    def to(self, device: Any) -> PartReaders:
        """See Readers; there is nothing to move."""
        return self

    def target(
        self, head: LMHead, rows: TaughtRows, follows_old: Tensor | None, like: Tensor, temperature: float
    ) -> Target:
        """See Readers. Raises ConfigError for a mean, which needs all pieces."""
        if follows_old is None:
            raise ConfigError("a mean of both teachers needs whole distributions; use teachers.form hidden or live")
        return self.read({name: _either(follows_old, old, rows.new[name]) for name, old in rows.old.items()})


def _either(follows_old: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """(N, ...) the row of old where it is followed, else that of new."""
    return torch.where(follows_old.view(-1, *[1] * (old.dim() - 1)), old, new)
