"""What a stage will cost, as far as it can be counted beforehand. docs/dry-run.md says how."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from peft import get_peft_model

from stillright.config import LoraConfig, TrainingConfig
from stillright.models import ModelRef, load_adapter_config, load_skeleton
from stillright.prediction.harness_model import grow
from stillright.tasks import Task
from stillright.tasks.encoding import encode_pairs
from stillright.training.lora import lora_config
from stillright.training.settings import optimizer_steps
from stillright.training.teachers.forms import Form, Hidden

ADAPTER_BYTES = 4  # per parameter; PEFT keeps adapters in float32 beside bases of any dtype
OPTIMIZER_BYTES = 8  # per parameter: AdamW's two moments


class StageCost(NamedTuple):
    """One stage, or several, and what they cost."""

    label: str
    samples: int = 0
    tokens: int = 0  # without padding; of a training those of all epochs, validation left out
    steps: int = 0  # optimizer steps
    kept: int = 0  # bytes on disk; predictions, which are small, are not counted
    temporary: int = 0  # bytes on disk while it runs


def total(label: str, costs: Sequence[StageCost]) -> StageCost:
    """The cost of stages that run one after another."""
    return StageCost(
        label,
        samples=sum(cost.samples for cost in costs),
        tokens=sum(cost.tokens for cost in costs),
        steps=sum(cost.steps for cost in costs),
        kept=sum(cost.kept for cost in costs),
        temporary=max((cost.temporary for cost in costs), default=0),
    )


def training_cost(label: str, training: TrainingConfig, lengths: Sequence[int], parameters: int) -> StageCost:
    """Of an adapter. lengths: tokens of each training text; parameters: how many are trained."""
    return StageCost(
        label,
        samples=len(lengths),
        tokens=training.epochs * sum(lengths),
        steps=optimizer_steps(training, len(lengths)),
        kept=ADAPTER_BYTES * parameters,
        temporary=checkpoint_bytes(parameters, training.epochs),
    )


@cache
def adapter_parameters(ref: ModelRef, lora: LoraConfig) -> int:
    """How many parameters the adapter has that a model names, or else is given; counted on a base without weights.

    Raises ModelError where there is no such base.
    """
    adapter = lora_config(lora, ref) if ref.adapter is None else load_adapter_config(ref.adapter)
    base = load_skeleton(ref.base)
    with torch.device("meta"):
        model = get_peft_model(base, adapter)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def checkpoint_bytes(parameters: int, epochs: int) -> int:
    """Largest size of the checkpoints on disk, in bytes: step 0, the best, the last, and the one being written."""
    return ADAPTER_BYTES * parameters + min(epochs, 3) * (ADAPTER_BYTES + OPTIMIZER_BYTES) * parameters


def teacher_bytes(rows: int, form: Form, hidden: int, vocabulary: int, dtype: torch.dtype) -> int:
    """Bytes on disk of what a teacher outputs at `rows` positions, and of its head where the form needs it.

    A row is what the form keeps, the most likely token (8 bytes), and a log-probability (4 bytes).
    """
    row = sum(math.prod(shape) * kind.itemsize for shape, kind in form.columns(hidden, dtype).values())
    head = vocabulary * hidden * dtype.itemsize if isinstance(form, Hidden) else 0
    return rows * (row + 8 + 4) + head


def tested_tokens(task: Task, tokenizer: Any, longest: int) -> int:
    """Tokens of the test documents as trees of their choices, or of prompts with the longest answers allowed.

    longest: tokens of a text, at most.
    """
    documents = task.test_documents
    if not task.is_choice:
        encoded = tokenizer([task.prompt(document) for document in documents])["input_ids"]
        return sum(min(len(ids), longest) + task.longest_answer for ids in encoded)
    pairs = [
        (task.prompt(document), task.continuation(choice))
        for document in documents
        for choice in task.choices(document)
    ]
    trees, _ = grow(encode_pairs(pairs, tokenizer), longest)
    return sum(tree.tokens(apart=False) for tree in trees)
