"""Attention over short texts on a CPU: in float32, because forward and backward in bfloat16 take up to thrice as long.

benchmarks/attention_speed.py measures that. Everywhere else it is transformers' own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from stillright.upstream.transformers import attend_by, attends_by_sdpa, sdpa_attention

NAME = "stillright_sdpa"
SHORT = 128  # tokens; beyond, bfloat16 is as fast or faster


def attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """What transformers' "sdpa" gives: (B, T, heads, D) in the dtype of `query` (B, heads, T, D)."""
    out: Tensor
    if query.dtype != torch.bfloat16 or key.shape[2] > SHORT:
        out, _ = sdpa_attention(module, query, key, value, attention_mask, **kwargs)
        return out, None
    if attention_mask is not None and attention_mask.is_floating_point():
        attention_mask = attention_mask.float()

    def exact(*parts: Tensor) -> Tensor:
        with torch.autocast(query.device.type, enabled=False):
            found: Tensor
            found, _ = sdpa_attention(module, *(part.float() for part in parts), attention_mask, **kwargs)
        return found.to(query.dtype)

    # what is kept for backward stays in bfloat16; the forward pass, a small part, is made again
    out = checkpoint(exact, query, key, value, use_reentrant=False, preserve_rng_state=bool(kwargs.get("dropout")))
    return out, None


def attend_in_float32(model: Any) -> None:
    """Lets `model` (without adapter wrapper) attend so, where it is on a CPU and attends by "sdpa"."""
    if model.device.type == "cpu" and attends_by_sdpa(model):
        attend_by(model, NAME, attention)
