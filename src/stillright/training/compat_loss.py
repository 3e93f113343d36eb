"""The loss of the compat adapter: distillation from the old and the new model. Knows no model, no cache, no trainer.

Echterhoff et al., 2024, section 4: KL to the old model on tokens that the strategy selects, to the new one on all
others, at temperature T and without a factor T^2. Tokens are rows: N next-token positions, V vocabulary entries. Logits
are at least float32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from stillright.forward.heads import LMHead
from stillright.training.head_loss import Gradient, LossSums, chunks, head_loss, less_label
from stillright.training.strategies import Strategy, Tokens
from stillright.training.teachers.targets import LossInputs, TargetReader


class CompatLoss(NamedTuple):
    """The masked distillation: what reads the teachers' outputs, and its settings."""

    reader: TargetReader
    strategy: Strategy
    temperature: float = 2.0
    ce_weight: float = 0.0

    def batch_sums(self, head: LMHead, student: Tensor, labels: Tensor, sequence: Tensor, **teacher: Any) -> LossSums:
        """Sums over N positions: student (N, H) and labels (N,), with the teachers' outputs, teacher_old and so on."""
        known = {name.removeprefix("teacher_"): values for name, values in teacher.items()}
        rows = LossInputs(labels=labels, sequence=sequence, **known)
        if self.strategy.whole_texts and len(labels):
            rows = rows._replace(follows_old=self._whole_text_rule(head, student, rows))
        return head_loss(self, head, student, rows)

    @torch.no_grad()
    def _whole_text_rule(self, head: LMHead, student: Tensor, rows: LossInputs) -> Tensor:
        """(N,) of a rule that needs every position: a first pass without gradient."""
        known = [self._tokens(self._logits(head, states), part) for states, part in chunks(head, student, rows)]
        return self.strategy.follows_old(Tokens(*(torch.cat(values) for values in zip(*known, strict=True))))

    def chunk_sums(self, head: LMHead, student: Tensor, rows: LossInputs) -> tuple[LossSums, Gradient]:
        """The gradient is that of the divergence, see Dense, and softmax(z) - onehot(label) for logits z."""
        logits = self._logits(head, student)
        tokens = self._tokens(logits, rows)
        follows_old = self.strategy.follows_old(tokens) if rows.follows_old is None else rows.follows_old
        weight = None if self.strategy.weight is None else self.strategy.weight(tokens)
        choice = None if self.strategy.mixed else follows_old
        with torch.no_grad():  # the new teacher is read through the student's own head, which may be trained
            target = self.reader.target(head, rows, choice, logits, self.temperature)
        kl, of_kl = target.divergence(functional.log_softmax(logits / self.temperature, dim=-1))

        def gradient() -> Tensor:
            of_logits = of_kl().mul_((1 - self.ce_weight) / self.temperature)
            if weight is not None:
                of_logits.mul_(weight[:, None])
            if self.ce_weight:
                likely = less_label(functional.softmax(logits, dim=-1), rows.labels)
                of_logits.add_(likely, alpha=self.ce_weight)
            return head.gradient(logits, of_logits)

        return self._sums(kl, -tokens.student_logp, follows_old, weight), gradient

    def _logits(self, head: LMHead, student: Tensor) -> Tensor:
        return head.logits(student, min(len(head.weight), self.reader.vocabulary))

    def _tokens(self, logits: Tensor, rows: LossInputs) -> Tokens:
        logp = -functional.cross_entropy(logits, rows.labels, reduction="none")
        return Tokens(rows.labels, rows.sequence, logits.argmax(dim=-1), logp, rows.old_prediction, rows.old_logp)

    def _sums(self, kl: Tensor, cross_entropy: Tensor, follows_old: Tensor, weight: Tensor | None) -> LossSums:
        weighted = kl if weight is None else kl * weight
        loss = (1 - self.ce_weight) * weighted + self.ce_weight * cross_entropy
        kl, cross_entropy, old = kl.detach(), cross_entropy.detach(), follows_old.float()
        return LossSums(loss.sum(), cross_entropy.sum(), (kl * old).sum(), (kl * (1 - old)).sum(), old.sum())
