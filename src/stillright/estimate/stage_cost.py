"""What one stage will cost: samples, tokens, steps, bytes, operations; a training, or a pass of a model that reads."""

from __future__ import annotations

from typing import NamedTuple

from stillright.config import TrainingConfig
from stillright.estimate.cost import (
    Amount,
    adapter_bytes,
    checkpoint_bytes,
    forward_flops,
    reading_memory,
    training_flops,
    training_memory,
)
from stillright.estimate.shape import Shape
from stillright.training.settings import optimizer_steps


class Device(NamedTuple):
    """Where one process computes."""

    accelerator: bool
    bytes: int  # of a number in the compute dtype


class StageCost(NamedTuple):
    """One stage, and what it will cost."""

    name: str
    samples: int
    tokens: int  # without padding; of a training all epochs, validation left out
    steps: int | None  # optimizer steps
    kept: int | None  # bytes on disk; None: a small amount
    temporary: int  # bytes on disk while it runs
    memory: int  # bytes at the peak: of the process on a CPU, of tensors on an accelerator
    flops: float  # validation counted


def training_cost(
    name: str,
    shape: Shape,
    train: Amount,
    validation: Amount,
    training: TrainingConfig,
    device: Device,
    logits: int,
    teacher_head: int = 0,
) -> StageCost:
    """Of an adapter.

    logits: numbers held per position and vocabulary entry. teacher_head: weights of the heads that make the teachers'
    logits.
    """
    epochs, samples = training.epochs, len(train.lengths)
    validated = forward_flops(shape, validation) + 2 * teacher_head * validation.scored
    batch_tokens = min(training.batch_size, samples) * train.longest
    return StageCost(
        name,
        samples,
        tokens=epochs * train.tokens,
        steps=optimizer_steps(training, samples),
        kept=adapter_bytes(shape),
        temporary=checkpoint_bytes(shape, epochs),
        memory=training_memory(shape, batch_tokens, device.bytes, device.accelerator, logits, teacher_head),
        flops=epochs * training_flops(shape, train, device.accelerator, teacher_head) + (epochs + 1) * validated,
    )


def reading_cost(
    name: str, shape: Shape, read: Amount, batch_tokens: int, logits: int, device: Device, kept: int | None = None
) -> StageCost:
    """Of a pass without gradients; batch_tokens: of the largest batch; logits: bytes of those held at once."""
    return StageCost(
        name,
        len(read.lengths),
        read.tokens,
        steps=None,
        kept=kept,
        temporary=0,
        memory=reading_memory(shape, batch_tokens, device.bytes, device.accelerator, logits),
        flops=forward_flops(shape, read),
    )
