"""The loss of the compat adapter as pure functions of tensors. Knows no model, no cache and no trainer.

Echterhoff et al., 2024, section 4: KL to the old model on tokens that the mask selects, to the new one on all others.
Tokens are rows: N next-token positions, V pieces. Everything is computed in float32; there is no factor T^2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

CHUNK = 1024  # rows whose logits are held at once


class Predictions(NamedTuple):
    """Most likely next token of student and old model, and the right one: (N,) each."""

    student: Tensor
    old: Tensor
    labels: Tensor


Mask = Callable[[Predictions], Tensor]  # -> (N,) bool, True where the old model is followed


def student_wrong(predictions: Predictions) -> Tensor:
    """Old where the adapter being trained misses the token (MUSCLE)."""
    return predictions.student != predictions.labels


def old_right(predictions: Predictions) -> Tensor:
    """Old where the old model has the token right (table 7)."""
    return predictions.old == predictions.labels


def old_only(predictions: Predictions) -> Tensor:
    """Old everywhere (table 7)."""
    return torch.ones_like(predictions.labels, dtype=torch.bool)


def new_only(predictions: Predictions) -> Tensor:
    """New everywhere: a control that knows nothing of the old model."""
    return torch.zeros_like(predictions.labels, dtype=torch.bool)


MASKS: dict[str, Mask] = {mask.__name__: mask for mask in (student_wrong, old_right, old_only, new_only)}


class LMHead(NamedTuple):
    """What turns hidden states into logits."""

    weight: Tensor  # (V, H)
    bias: Tensor | None = None  # (V,)
    scale: float = 1.0
    softcap: float | None = None  # logits = softcap * tanh(logits / softcap)

    def logits(self, hidden: Tensor, vocabulary: int) -> Tensor:
        """(N, vocabulary) in float32 for `hidden` (N, H); pieces beyond `vocabulary` are padding and left out."""
        bias = None if self.bias is None else self.bias[:vocabulary]
        logits = functional.linear(hidden.to(self.weight.dtype), self.weight[:vocabulary], bias).float() * self.scale
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)


class LossSums(NamedTuple):
    """Sums over N tokens; divide by their number. All are scalars."""

    loss: Tensor
    kl_old: Tensor  # over the tokens that follow old
    kl_new: Tensor  # over the others
    cross_entropy: Tensor
    follow_old: Tensor  # how many tokens follow old


def kl_divergence(teacher_logits: Tensor, student_logits: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) of the softmax at `temperature`, in nats: (N,) for logits (N, V)."""
    teacher = functional.log_softmax(teacher_logits / temperature, dim=-1)
    student = functional.log_softmax(student_logits / temperature, dim=-1)
    return (teacher.exp() * (teacher - student)).sum(dim=-1)


def masked_kl_sums(
    student_logits: Tensor,
    teacher_logits: Tensor,
    follow_old: Tensor,
    labels: Tensor,
    temperature: float,
    ce_weight: float,
) -> LossSums:
    """Sums of `(1 - ce_weight) * KL + ce_weight * CE` for logits (N, V), where each row's teacher is chosen already.

    follow_old: (N,) bool, which rows of `teacher_logits` are the old model's; it only sorts the parts.
    """
    kl = kl_divergence(teacher_logits, student_logits, temperature)
    cross_entropy = functional.cross_entropy(student_logits, labels, reduction="none")
    loss = (1 - ce_weight) * kl + ce_weight * cross_entropy
    old = follow_old.float()
    return LossSums(loss.sum(), (kl * old).sum(), (kl * (1 - old)).sum(), cross_entropy.sum(), follow_old.sum())


class CompatLoss(NamedTuple):
    """The settings of the loss, and the one head that is not the student's own."""

    old_head: LMHead
    mask: Mask
    temperature: float = 2.0
    ce_weight: float = 0.0

    def sums(
        self, head: LMHead, student: Tensor, old: Tensor, new: Tensor, old_prediction: Tensor, labels: Tensor
    ) -> LossSums:
        """Loss of hidden states: student and new (N, H) before `head`, old (N, H_old) before the old head; labels (N,).

        Logits exist for CHUNK rows at a time; with more rows they are computed again in the backward pass.
        """
        rows = (student, old, new, old_prediction, labels)
        chunks = list(zip(*(tensor.split(CHUNK) for tensor in rows), strict=True))
        if len(chunks) <= 1:
            return self._chunk_sums(head, *rows)
        parts = [checkpoint(self._chunk_sums, head, *chunk, use_reentrant=False) for chunk in chunks]
        return LossSums(*(torch.stack(values).sum() for values in zip(*parts, strict=True)))

    def _chunk_sums(
        self, head: LMHead, student: Tensor, old: Tensor, new: Tensor, old_prediction: Tensor, labels: Tensor
    ) -> LossSums:
        vocabulary = min(len(head.weight), len(self.old_head.weight))
        student_logits = head.logits(student, vocabulary)
        with torch.no_grad():
            follow_old = self.mask(Predictions(student_logits.argmax(dim=-1), old_prediction, labels))
            teacher_logits = torch.empty_like(student_logits)
            teacher_logits[follow_old] = self.old_head.logits(old[follow_old], vocabulary)
            teacher_logits[~follow_old] = head.logits(new[~follow_old], vocabulary)
        return masked_kl_sums(student_logits, teacher_logits, follow_old, labels, self.temperature, self.ce_weight)
