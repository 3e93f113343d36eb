"""Losses of the hidden states before an LM head, chunk by chunk, so that logits of a whole batch are never held.

Knows tensors only. The head's gradient is not needed where adapters are trained; then the gradient for the hidden
states is worked out by hand together with the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from stillright.forward.heads import LMHead, chunk_rows


class LossSums(NamedTuple):
    """Sums over N tokens; divide by their number. All are scalars, and only `loss` has a gradient.

    Without teachers the last three are zero.
    """

    loss: Tensor
    cross_entropy: Tensor
    kl_old: Tensor  # over the tokens that follow old
    kl_new: Tensor  # over the others
    follow_old: Tensor  # how many tokens follow old


Rows = Any  # a NamedTuple of tensors that begin with N, of mappings to such, or of None
Gradient = Callable[[], Tensor]  # of the loss of a chunk, for its hidden states (N, H)


class HeadLoss(Protocol):
    """A loss of the hidden states of N positions before the LM head."""

    def batch_sums(self, head: LMHead, student: Tensor, labels: Tensor, sequence: Tensor, **teacher: Any) -> LossSums:
        """Sums over a batch: student (N, H), labels (N,), sequence (N,) number of the text within the batch."""

    def chunk_sums(self, head: LMHead, student: Tensor, rows: Rows) -> tuple[LossSums, Gradient]:
        """Those over some positions, for autograd; and what works out the gradient of `loss` without it, once."""


def head_loss(loss: HeadLoss, head: LMHead, student: Tensor, rows: Rows) -> LossSums:
    """The loss of hidden states (N, H) before `head`, whose logits exist for some rows at a time, see `chunk_rows`.

    Where the head is frozen, the gradient of a chunk is computed with its loss, so that nothing of vocabulary size is
    kept or computed again; a head that is trained too takes plain autograd, which computes logits twice. Sums of no
    rows are zeros, with a gradient of no rows, so that a batch without scored positions takes part in a step.
    """
    if not len(student):
        nothing = student.sum().to(torch.promote_types(student.dtype, torch.float32))
        return LossSums(nothing, *[nothing.detach()] * 4)
    if not head.weight.requires_grad:
        return LossSums(*_ByHand.apply(student, loss, head, rows))  # type: ignore[no-untyped-call]
    parts = [checkpoint(loss.chunk_sums, head, *chunk, use_reentrant=False)[0] for chunk in chunks(head, student, rows)]
    return LossSums(*(torch.stack(values).sum() for values in zip(*parts, strict=True)))


def chunks(head: LMHead, student: Tensor, rows: Rows) -> Iterator[tuple[Tensor, Rows]]:
    """Parts of at most `chunk_rows` rows."""
    size = chunk_rows(head)
    for start in range(0, len(student), size):
        part = slice(start, start + size)
        yield student[part], type(rows)(*(part_of(values, part) for values in rows))


def part_of(values: Any, part: slice) -> Any:
    """The rows of a tensor, of a mapping of tensors, or of None."""
    if isinstance(values, dict):
        return {name: value[part] for name, value in values.items()}
    return None if values is None else values[part]


class _ByHand(torch.autograd.Function):
    """The forward works out the gradient too, chunk by chunk; the backward only scales it."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, loss: HeadLoss, head: LMHead, rows: Rows) -> tuple[Tensor, ...]:
        totals, gradients = [], []
        for chunk in chunks(head, student, rows):
            sums, gradient = loss.chunk_sums(head, *chunk)
            totals.append(sums)
            if ctx.needs_input_grad[0]:
                gradients.append(gradient().to(student.dtype))
        if gradients:
            ctx.save_for_backward(torch.cat(gradients))
        total, *parts = (torch.stack(values).sum() for values in zip(*totals, strict=True))
        ctx.mark_non_differentiable(*parts)
        return total, *parts

    @staticmethod
    def backward(ctx: Any, of_loss: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * of_loss, None, None, None


class Labels(NamedTuple):
    """N positions without a teacher."""

    labels: Tensor  # (N,)


class CrossEntropy(NamedTuple):
    """The next-token loss of a task adapter; which text a position stands in does not matter."""

    def batch_sums(self, head: LMHead, student: Tensor, labels: Tensor, sequence: Tensor, **_: Any) -> LossSums:
        return head_loss(self, head, student, Labels(labels))

    def chunk_sums(self, head: LMHead, student: Tensor, rows: Labels) -> tuple[LossSums, Gradient]:
        """softmax(z) - onehot(label) is the gradient for logits z."""
        logits = head.logits(student, len(head.weight))
        log_probabilities = functional.log_softmax(logits, dim=-1)
        loss = functional.nll_loss(log_probabilities, rows.labels, reduction="sum")
        zero = loss.new_zeros(())

        def gradient() -> Tensor:
            return head.gradient(logits, less_label(log_probabilities.exp_(), rows.labels))

        return LossSums(loss, loss.detach(), zero, zero, zero), gradient


def less_label(probabilities: Tensor, labels: Tensor) -> Tensor:
    """`probabilities` (N, V), in place, less one at each row's label."""
    return probabilities.scatter_add_(1, labels[:, None], probabilities.new_full((len(labels), 1), -1.0))
