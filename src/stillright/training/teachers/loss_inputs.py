"""The outputs of both teachers at the positions of a chunk, and the one target that follows from them for each.

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
from stillright.training.teachers.forms import Columns
from stillright.training.teachers.targets import Dense, Target


class LossInputs(NamedTuple):
    """What the loss needs of N positions beside the student."""

    old: Columns
    new: Columns
    old_prediction: Tensor  # (N,) most likely next token of the old model
    old_logp: Tensor  # (N,) its log-probability of the label
    labels: Tensor  # (N,)
    sequence: Tensor  # (N,) number of the text within the batch
    follows_old: Tensor | None = None  # (N,) bool, where a rule of whole texts has decided already


class TargetReader(Protocol):
    """Turns the outputs of both teachers into targets."""

    @property
    def vocabulary(self) -> int:
        """Number of vocabulary entries of both teachers' outputs; the student may know fewer or more."""

    def to(self, device: Any) -> TargetReader:
        """The same on a device."""

    def target(
        self, head: LMHead, rows: LossInputs, follows_old: Tensor | None, like: Tensor, temperature: float
    ) -> Target:
        """Of N rows; head: the student's own; follows_old: (N,) bool, None: the mean of both; like: logits (N, V)."""


class HiddenStateReader(NamedTuple):
    """From states before the heads: that of the old model, and the student's own for the new one."""

    old_head: LMHead

    @property
    def vocabulary(self) -> int:
        """See TargetReader."""
        return len(self.old_head.weight)

    def to(self, device: Any) -> HiddenStateReader:
        """See TargetReader."""
        return HiddenStateReader(self.old_head.to(device))

    def target(
        self, head: LMHead, rows: LossInputs, follows_old: Tensor | None, like: Tensor, temperature: float
    ) -> Target:
        """See TargetReader."""
        old, new, entries = rows.old["hidden"], rows.new["hidden"], like.shape[1]
        if follows_old is None:
            both = (self.old_head.logits(old, entries), head.logits(new, entries))
            logs = [functional.log_softmax(logits.to(like.dtype) / temperature, dim=-1) for logits in both]
            return Dense(torch.logaddexp(*logs) - math.log(2))
        logits = torch.empty_like(like)
        logits[follows_old] = self.old_head.logits(old[follows_old], entries).to(like.dtype)
        logits[~follows_old] = head.logits(new[~follows_old], entries).to(like.dtype)
        return Dense(functional.log_softmax(logits.div_(temperature), dim=-1))


class PartialReader(NamedTuple):
    """From a few tokens per position, whose probabilities are at the temperature already."""

    read: Callable[[Columns], Target]
    vocabulary: int

    def to(self, device: Any) -> PartialReader:
        """See TargetReader; there is nothing to move."""
        return self

    def target(
        self, head: LMHead, rows: LossInputs, follows_old: Tensor | None, like: Tensor, temperature: float
    ) -> Target:
        """See TargetReader. Raises ConfigError for a mean, which needs the whole vocabulary."""
        if follows_old is None:
            raise ConfigError("a mean of both teachers needs whole distributions; use teachers.form hidden or live")
        return self.read({name: _either(follows_old, old, rows.new[name]) for name, old in rows.old.items()})


def _either(follows_old: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """(N, ...) the row of old where it is followed, else that of new."""
    return torch.where(follows_old.view(-1, *[1] * (old.dim() - 1)), old, new)
