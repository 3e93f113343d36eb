"""LM heads: hidden states -> logits, and back for gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from stillright.upstream.peft import is_lora, plain_lora

ROWS = 16  # a CPU's matrix product gets a multiple of so many rows
# logits held at once: on a CPU what its caches hold, elsewhere what fills the device
LOGITS_ON_CPU, LOGITS_ON_DEVICE = 2**22, 2**26


def few_shapes(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """`rows` (N, width) in `dtype`; on a CPU with rows of zeros up to a multiple of ROWS.

    oneDNN compiles a kernel for every number of rows, which takes longer than the product and stays in memory.
    """
    missing = -len(rows) % ROWS
    if rows.device.type != "cpu" or not missing:
        return rows.to(dtype)
    padded = rows.new_zeros(len(rows) + missing, rows.shape[1], dtype=dtype)
    padded[: len(rows)] = rows
    return padded


class LMHead(NamedTuple):
    """What turns hidden states into logits."""

    weight: Tensor  # (V, H)
    bias: Tensor | None = None  # (V,)
    scale: float = 1.0
    softcap: float | None = None  # logits = softcap * tanh(logits / softcap)

    def logits(self, hidden: Tensor, vocabulary: int) -> Tensor:
        """(N, vocabulary) in float32 for `hidden` (N, H); entries beyond `vocabulary` are padding and left out."""
        bias = None if self.bias is None else self.bias[:vocabulary]
        rows = few_shapes(hidden, self.weight.dtype)
        logits = functional.linear(rows, self.weight[:vocabulary], bias)[: len(hidden)]
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if self.scale != 1.0:
            logits = logits * self.scale
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)

    def to(self, device: Any) -> LMHead:
        return self._replace(weight=self.weight.to(device), bias=None if self.bias is None else self.bias.to(device))

    def gradient(self, logits: Tensor, of_logits: Tensor) -> Tensor:
        """The gradient for hidden states (N, H), from `logits` (N, V) or fewer and their gradient."""
        if self.softcap is not None:
            of_logits = of_logits * (1 - (logits / self.softcap) ** 2)
        if self.scale != 1.0:
            of_logits = of_logits * self.scale
        rows = few_shapes(of_logits, self.weight.dtype)
        return (rows @ self.weight[: logits.shape[1]])[: len(of_logits)]


def lm_head(model: Any) -> LMHead:
    """The LM head of a causal model, with the scale and the cap that its architecture puts on logits.

    Knows some architectures by their settings; `stillright.forward.passes.check_head` finds the others.
    """
    config = model.config.get_text_config()
    scale = getattr(config, "logit_scale", getattr(config, "lm_head_multiplier", None))  # Cohere, Falcon-H1
    if scale is None and getattr(config, "logits_scaling", None) is not None:  # Granite divides
        scale = 1 / config.logits_scaling
    head = model.get_output_embeddings()
    return LMHead(
        _weight(head),
        getattr(head, "bias", None),
        1.0 if scale is None else float(scale),
        getattr(config, "final_logit_softcapping", None),
    )


def _weight(head: Any) -> Tensor:
    """(V, H), with what a frozen adapter adds to it, which is worked out once."""
    plain = plain_lora(head) if is_lora(head) else None
    if plain is None or plain.a.requires_grad:
        weight: Tensor = head.weight
        return weight
    if not hasattr(head, "whole_weight"):
        with torch.no_grad():
            whole = plain.weight + plain.scaling * (plain.b @ plain.a)
        head.whole_weight = whole.to(plain.weight.dtype)
    found: Tensor = head.whole_weight
    return found


def chunk_rows(head: LMHead) -> int:
    """How many rows' logits are held at once."""
    held = LOGITS_ON_CPU if head.weight.device.type == "cpu" else LOGITS_ON_DEVICE
    return max(held // len(head.weight), 1)


def read_contiguous(model: Any) -> None:
    """Lets the LM head of `model` (base or PeftModel) read contiguous states.

    Generation makes logits of the last position of every text, a slice; such a one torch multiplies text for text,
    each with its own copy of the head's weights.
    """
    model.get_output_embeddings().register_forward_pre_hook(lambda _, args: (args[0].contiguous(), *args[1:]))
