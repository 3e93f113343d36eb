"""What a stage costs: bytes on disk and in memory, floating-point operations. docs/estimate.md has the formulas.

File sizes are exact, all else is an estimate. A token costs a linear layer two operations per weight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from stillright.estimate.shape import Shape
from stillright.forward.heads import LOGITS_ON_CPU, LOGITS_ON_DEVICE
from stillright.forward.trees import Tree
from stillright.training.teachers.forms import Form, Hidden
from stillright.training.text import Text

ADAPTER_BYTES = 4  # per parameter; PEFT keeps adapters in float32 beside bases of any dtype
OPTIMIZER_BYTES = 8  # per parameter: AdamW's two moments
# numbers kept for the backward pass, as a part of the widths of all linear layers; counted on a Llama
KEPT_WIDTHS = 0.85
# float32 numbers per vocabulary entry held at once for a position: in cross-entropy, in distillation; measured
PLAIN_LOGITS, TAUGHT_LOGITS = 3, 7
# a process on a CPU: its libraries and compiled kernels; in training, a factor for freed blocks that are kept; measured
PROCESS_BYTES, FRAGMENTED = 800_000_000, 1.5


class Amount(NamedTuple):
    """Texts that a model reads, and the positions for which it makes logits."""

    lengths: Sequence[int]  # tokens of each text
    scored: int  # positions

    @property
    def tokens(self) -> int:
        return sum(self.lengths)

    @property
    def longest(self) -> int:
        return max(self.lengths)


def next_tokens(texts: Sequence[Text]) -> Amount:
    """Texts whose scored tokens are learnt."""
    return Amount([len(text.ids) for text in texts], sum(len(text.scored) for text in texts))


def choices_of(texts: Sequence[Tree]) -> Amount:
    """Samples whose choices are scored, each a tree."""
    return Amount([text.tokens(apart=False) for text in texts], sum(len(ids) for text in texts for ids in text.choices))


def adapter_bytes(shape: Shape) -> int:
    """Bytes of an adapter's weights on disk."""
    return ADAPTER_BYTES * shape.adapter


def checkpoint_bytes(shape: Shape, epochs: int) -> int:
    """Largest size of the checkpoints on disk, in bytes: step 0, the best, the last, and the one being written."""
    return adapter_bytes(shape) + min(epochs, 3) * (ADAPTER_BYTES + OPTIMIZER_BYTES) * shape.adapter


def teacher_bytes(rows: int, form: Form, hidden: int, vocabulary: int, dtype: torch.dtype) -> int:
    """Bytes on disk of what a teacher outputs at `rows` positions, and of its head where the form needs it.

    A row is what the form keeps, the most likely token (8 bytes), and a log-probability (4 bytes).
    """
    row = sum(math.prod(shape) * kind.itemsize for shape, kind in form.columns(hidden, dtype).values())
    head = vocabulary * hidden * dtype.itemsize if isinstance(form, Hidden) else 0
    return rows * (row + 8 + 4) + head


def score_bytes(samples: int, choices: int) -> int:
    """Bytes on disk of a teacher's scores, float32, of samples that have at most so many choices."""
    return 4 * samples * choices


def forward_flops(shape: Shape, amount: Amount) -> float:
    """Operations to read texts and to make logits; attention looks back over half a text on average."""
    attention = 2 * shape.layers * shape.attention * sum(length**2 for length in amount.lengths)
    return 2 * shape.linear * amount.tokens + attention + 2 * shape.head * amount.scored


def training_flops(shape: Shape, amount: Amount, accelerator: bool, teacher_head: int) -> float:
    """Operations of one epoch: forward and backward through a frozen base, and an adapter's gradients.

    accelerator: activations are made again in the backward pass. teacher_head: weights of the heads that make the
    teachers' logits.
    """
    attention = 2 * shape.layers * shape.attention * sum(length**2 for length in amount.lengths)
    through_base = 2 * shape.linear * amount.tokens
    of_adapter = 6 * shape.adapter * amount.tokens
    of_head = 2 * (2 * shape.head + teacher_head) * amount.scored
    return through_base * (3 if accelerator else 2) + attention * (4 if accelerator else 3) + of_adapter + of_head


def training_memory(
    shape: Shape, batch_tokens: int, dtype_bytes: int, accelerator: bool, logits: int, teacher_head: int
) -> int:
    """Bytes at the peak of a training step: weights, adapter with gradient and optimizer, activations, logits.

    On an accelerator tensors alone, with activations made again; on a CPU the whole process. logits: numbers per
    position and vocabulary entry. teacher_head: weights of a further head.
    """
    weights = (shape.parameters + teacher_head) * dtype_bytes
    adapter = (2 * ADAPTER_BYTES + OPTIMIZER_BYTES) * shape.adapter
    kept = KEPT_WIDTHS * shape.widths * dtype_bytes
    if accelerator:  # what enters each layer, and all of one layer
        kept = shape.layers * shape.hidden * dtype_bytes + kept / shape.layers
    chunk = 4 * logits * min(held_logits(accelerator), batch_tokens * shape.vocabulary)
    tensors = weights + adapter + kept * batch_tokens + chunk
    return int(tensors if accelerator else PROCESS_BYTES + FRAGMENTED * tensors)


def held_logits(accelerator: bool) -> int:
    """How many logits are held at once where they are made in parts, see stillright.forward.heads."""
    return LOGITS_ON_DEVICE if accelerator else LOGITS_ON_CPU


def reading_memory(shape: Shape, batch_tokens: int, dtype_bytes: int, accelerator: bool, logits: int) -> int:
    """Bytes at the peak of a forward pass: weights, one layer's activations, and `logits` bytes of logits."""
    weights = shape.parameters * dtype_bytes + ADAPTER_BYTES * shape.adapter
    layer = shape.widths * dtype_bytes * batch_tokens // shape.layers
    return weights + layer + logits + (0 if accelerator else PROCESS_BYTES)
