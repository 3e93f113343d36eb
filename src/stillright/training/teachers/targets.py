"""What the student is to learn at N positions: a distribution p at the temperature, whole or in part.

Made of both teachers' outputs, and of a rule's choice between them. Each target gives its KL divergence to the
student's q = softmax(z / T), and T times the gradient of that for the student's logits z. Knows tensors and heads only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from stillright.errors import ConfigError
from stillright.forward.heads import LMHead
from stillright.training.teachers.forms import Columns

Divergence = tuple[Tensor, Callable[[], Tensor]]


class Dense(NamedTuple):
    """All of p. A target serves once, and may be overwritten."""

    log_p: Tensor  # (N, V)

    def divergence(self, log_q: Tensor) -> Divergence:
        """KL(p || q) in nats (N,), for log q (N, V); and what works out T times its gradient for z, (N, V): q - p.

        The first is made for autograd too; the second takes the memory of `log_q`.
        """
        p = self.log_p.exp()
        kl = torch.linalg.vecdot(p, self.log_p.sub_(log_q))
        return kl, lambda: log_q.exp_().sub_(p)


class Drawn(NamedTuple):
    """K draws from p, and its entropy: divergence and gradient are unbiased over draws."""

    ids: Tensor  # (N, K) int64
    entropy: Tensor  # (N,) of p, in nats

    def divergence(self, log_q: Tensor) -> Divergence:
        """The gradient is q_j - (share of the draws that are j)."""
        kl = -self.entropy - log_q.gather(1, self.ids).mean(dim=-1)

        def gradient() -> Tensor:
            draws = self.ids.shape[1]
            return log_q.exp_().scatter_add_(1, self.ids, log_q.new_full(self.ids.shape, -1 / draws))

        return kl, gradient


Target = Dense | Drawn


class LossInputs(NamedTuple):
    """What the loss needs of N positions beside the student."""

    old: Columns
    new: Columns
    old_prediction: Tensor  # (N,) most likely next token of the old model
    old_logp: Tensor  # (N,) its log-probability of the label
    labels: Tensor  # (N,)
    sequence: Tensor  # (N,) number of the text within the batch
    follows_old: Tensor | None = None  # (N,) bool, where a rule of whole texts has decided already


class HiddenStateReader(NamedTuple):
    """Targets from states before the heads: that of the old model, and the student's own for the new one."""

    old_head: LMHead

    @property
    def vocabulary(self) -> int:
        """Number of vocabulary entries of both teachers' outputs; the student may know fewer or more."""
        return len(self.old_head.weight)

    def target(
        self, head: LMHead, rows: LossInputs, follows_old: Tensor | None, like: Tensor, temperature: float
    ) -> Target:
        """Of N rows; head: the student's own; follows_old: (N,) bool, None: the mean of both; like: logits (N, V)."""
        old, new, entries = rows.old["hidden"], rows.new["hidden"], like.shape[1]
        if follows_old is None:
            both = (self.old_head.logits(old, entries), head.logits(new, entries))
            logs = [functional.log_softmax(logits.to(like.dtype) / temperature, dim=-1) for logits in both]
            return Dense(torch.logaddexp(*logs) - math.log(2))
        logits = torch.empty_like(like)
        logits[follows_old] = self.old_head.logits(old[follows_old], entries).to(like.dtype)
        logits[~follows_old] = head.logits(new[~follows_old], entries).to(like.dtype)
        return Dense(functional.log_softmax(logits.div_(temperature), dim=-1))


class DrawsReader(NamedTuple):
    """The same from draws, which are at the temperature already."""

    vocabulary: int

    def target(
        self, head: LMHead, rows: LossInputs, follows_old: Tensor | None, like: Tensor, temperature: float
    ) -> Target:
        """Raises ConfigError for a mean, which needs the whole vocabulary."""
        if follows_old is None:
            raise ConfigError("a mean of both teachers needs whole distributions; use teachers.form hidden or live")
        ids = torch.where(follows_old[:, None], rows.old["ids"], rows.new["ids"])
        return Drawn(ids.long(), torch.where(follows_old, rows.old["entropy"], rows.new["entropy"]))


TargetReader = HiddenStateReader | DrawsReader
