"""What the student is to learn at N positions: a distribution p at the temperature, whole or in part.

Knows tensors only. Each target gives its KL divergence to the student's q = softmax(z / T), and T times the gradient of
that for the student's logits z.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

Divergence = tuple[Tensor, Callable[[], Tensor]]


class Target(Protocol):
    """What N positions are to learn; serves once, and may be overwritten."""

    def divergence(self, log_q: Tensor) -> Divergence:
        """KL(p || q) in nats (N,), for log q (N, V); and what works out T times its gradient for z, (N, V).

        The first is made for autograd too; the second takes the memory of `log_q`.
        """


class Dense(NamedTuple):
    """All of p."""

    log_p: Tensor  # (N, V)

    def divergence(self, log_q: Tensor) -> Divergence:
        """See Target: the gradient is q - p."""
        p = self.log_p.exp()
        kl = torch.linalg.vecdot(p, self.log_p.sub_(log_q))
        return kl, lambda: log_q.exp_().sub_(p)


class Likeliest(NamedTuple):
    """p of the K likeliest tokens, and of all others as one: the divergence is a lower bound of that of the whole p."""

    ids: Tensor  # (N, K) int64, distinct
    log_p: Tensor  # (N, K)

    def divergence(self, log_q: Tensor) -> Divergence:
        """See Target: the gradient is q_j - p_j for the kept, q_j - p_rest q_j / q_rest for each of the others."""
        if self.ids.shape[1] == log_q.shape[1]:  # there are no others
            return Dense(torch.empty_like(log_q).scatter(1, self.ids, self.log_p)).divergence(log_q)
        p = self.log_p.exp()
        rest = (1 - p.sum(dim=-1)).clamp_min(0)  # rounding must not make it negative
        chosen = log_q.gather(1, self.ids)
        log_rest = log_q.scatter(1, self.ids, -torch.inf).logsumexp(dim=-1)
        kl = torch.linalg.vecdot(p, self.log_p - chosen) + torch.xlogy(rest, rest) - rest * log_rest

        def gradient() -> Tensor:
            kept = chosen.exp() - p
            shares = (log_q + (rest.log() - log_rest)[:, None]).exp_()  # q_j / q_rest alone could be infinite
            return log_q.exp_().sub_(shares).scatter_(1, self.ids, kept)

        return kl, gradient


class Drawn(NamedTuple):
    """K draws from p, and its entropy: divergence and gradient are unbiased over draws."""

    ids: Tensor  # (N, K) int64
    entropy: Tensor  # (N,) of p, in nats

    def divergence(self, log_q: Tensor) -> Divergence:
        """See Target: the gradient is q_j - (share of the draws that are j)."""
        kl = -self.entropy - log_q.gather(1, self.ids).mean(dim=-1)

        def gradient() -> Tensor:
            draws = self.ids.shape[1]
            return log_q.exp_().scatter_add_(1, self.ids, log_q.new_full(self.ids.shape, -1 / draws))

        return kl, gradient
