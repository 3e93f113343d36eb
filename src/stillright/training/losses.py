"""The loss of the compat adapter: distillation from the old and the new model. Knows no model, no cache, no trainer.

Echterhoff et al., 2024, section 4: KL to the old model on tokens that the strategy selects, to the new one on all
others, at temperature T and without a factor T^2. Tokens are rows: N next-token positions, V pieces. Logits are at
least float32.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from stillright.training.head_loss import Gradient, LossSums, chunks, head_loss, less_label
from stillright.training.heads import LMHead
from stillright.training.strategies import Strategy, Tokens


def _kl(teacher: Tensor, student: Tensor) -> Tensor:
    """KL(teacher || student) in nats: (N,) for log-probabilities (N, V)."""
    return (teacher.exp() * (teacher - student)).sum(dim=-1)


class TaughtRows(NamedTuple):
    """What the loss needs of N positions beside the student."""

    old: Tensor  # (N, H_old) hidden states before the old head
    new: Tensor  # (N, H) hidden states before the student's own head
    old_prediction: Tensor  # (N,) most likely next token of the old model
    old_logp: Tensor  # (N,) its log-probability of the label
    labels: Tensor  # (N,)
    sequence: Tensor  # (N,) number of the text within the batch
    follows_old: Tensor | None = None  # (N,) bool, where a rule of whole texts has decided already


class CompatLoss(NamedTuple):
    """The masked distillation: its settings, and the one head that is not the student's own."""

    old_head: LMHead
    strategy: Strategy
    temperature: float = 2.0
    ce_weight: float = 0.0

    def batch_sums(self, head: LMHead, student: Tensor, labels: Tensor, sequence: Tensor, **taught: Tensor) -> LossSums:
        """Sums over N positions: student (N, H) and labels (N,), with the teachers' words as taught_old and so on."""
        known = {name.removeprefix("taught_"): values for name, values in taught.items()}
        rows = TaughtRows(labels=labels, sequence=sequence, **known)
        if self.strategy.whole_texts and len(labels):
            rows = rows._replace(follows_old=self._whole_text_rule(head, student, rows))
        return head_loss(self, head, student, rows)

    @torch.no_grad()
    def _whole_text_rule(self, head: LMHead, student: Tensor, rows: TaughtRows) -> Tensor:
        """(N,) of a rule that needs every position: a first pass without gradient."""
        known = [self._tokens(self._logits(head, states), part) for states, part in chunks(head, student, rows)]
        return self.strategy.follows_old(Tokens(*(torch.cat(values) for values in zip(*known, strict=True))))

    def plain(self, head: LMHead, student: Tensor, rows: TaughtRows) -> LossSums:
        """See ChunkLoss."""
        logits = self._logits(head, student)
        with torch.no_grad():
            follows_old, weight = self._rules(logits, rows)
            teacher = self._teacher(head, rows, follows_old, logits)
        kl = _kl(teacher, functional.log_softmax(logits / self.temperature, dim=-1))
        cross_entropy = functional.cross_entropy(logits, rows.labels, reduction="none")
        return self._sums(kl, cross_entropy, follows_old, weight)

    def by_hand(self, head: LMHead, student: Tensor, rows: TaughtRows) -> tuple[LossSums, Gradient]:
        """See ChunkLoss: with q = softmax(z / T) and p the teacher's, KL has the gradient (q - p) / T for logits z."""
        logits = self._logits(head, student)
        follows_old, weight = self._rules(logits, rows)
        teacher = self._teacher(head, rows, follows_old, logits)
        scaled = functional.log_softmax(logits / self.temperature, dim=-1)
        p = teacher.exp()
        kl = torch.linalg.vecdot(p, teacher.sub_(scaled))
        cross_entropy = functional.cross_entropy(logits, rows.labels, reduction="none")

        def gradient() -> Tensor:
            of_logits = scaled.exp_().sub_(p).mul_((1 - self.ce_weight) / self.temperature)
            if weight is not None:
                of_logits.mul_(weight[:, None])
            if self.ce_weight:
                likely = less_label(functional.softmax(logits, dim=-1), rows.labels)
                of_logits.add_(likely, alpha=self.ce_weight)
            return head.gradient(logits, of_logits, logits.shape[1])

        return self._sums(kl, cross_entropy, follows_old, weight), gradient

    def _logits(self, head: LMHead, student: Tensor) -> Tensor:
        return head.logits(student, min(len(head.weight), len(self.old_head.weight)))

    def _tokens(self, logits: Tensor, rows: TaughtRows) -> Tokens:
        logp = -functional.cross_entropy(logits, rows.labels, reduction="none")
        return Tokens(rows.labels, rows.sequence, logits.argmax(dim=-1), logp, rows.old_prediction, rows.old_logp)

    def _rules(self, logits: Tensor, rows: TaughtRows) -> tuple[Tensor, Tensor | None]:
        """Which rows follow old, and the weights of their divergence."""
        tokens = self._tokens(logits, rows)
        follows_old = self.strategy.follows_old(tokens) if rows.follows_old is None else rows.follows_old
        return follows_old, None if self.strategy.weight is None else self.strategy.weight(tokens)

    def _teacher(self, head: LMHead, rows: TaughtRows, follows_old: Tensor, like: Tensor) -> Tensor:
        """Log-probabilities (N, V) at the temperature: of the one teacher each row follows, or of their mean."""
        if self.strategy.mixed:
            old = self._log_probabilities(self.old_head, rows.old, like)
            mean: Tensor = torch.logaddexp(old, self._log_probabilities(head, rows.new, like)) - math.log(2)
            return mean
        logits = torch.empty_like(like)
        logits[follows_old] = self.old_head.logits(rows.old[follows_old], like.shape[1]).to(like.dtype)
        logits[~follows_old] = head.logits(rows.new[~follows_old], like.shape[1])
        return functional.log_softmax(logits.div_(self.temperature), dim=-1)

    def _log_probabilities(self, head: LMHead, hidden: Tensor, like: Tensor) -> Tensor:
        logits = head.logits(hidden, like.shape[1]).to(like.dtype)
        return functional.log_softmax(logits / self.temperature, dim=-1)

    def _sums(self, kl: Tensor, cross_entropy: Tensor, follows_old: Tensor, weight: Tensor | None) -> LossSums:
        weighted = kl if weight is None else kl * weight
        loss = (1 - self.ce_weight) * weighted + self.ce_weight * cross_entropy
        kl, cross_entropy, old = kl.detach(), cross_entropy.detach(), follows_old.float()
        return LossSums(loss.sum(), cross_entropy.sum(), (kl * old).sum(), (kl * (1 - old)).sum(), old.sum())
