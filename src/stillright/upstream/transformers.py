"""Private parts of transformers, and what is assumed of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

# attention and layers

sdpa_attention = sdpa_attention_forward  # (layer, query, key, value, mask or None for a causal one) -> (output, None)


def attends_by_sdpa(model: Any) -> bool:
    """Whether `model` (without adapter wrapper) attends by torch's scaled dot product."""
    return bool(model.config._attn_implementation == "sdpa")


def attend_by(model: Any, name: str, attention: Callable[..., Any]) -> None:
    """Lets `model` attend by `attention`, which is registered as `name` and gets the masks that "sdpa" gets."""
    AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, sdpa_mask)
    model.set_attn_implementation(name)


def is_rms_norm(layer: Any) -> bool:
    """Whether the layer looks like weight * x / rms(x), with the fields of Llama's norm."""
    return hasattr(layer, "weight") and hasattr(layer, "variance_epsilon")


def is_gated_mlp(layer: Any) -> bool:
    """Whether the layer looks like down(act(gate(x)) * up(x)), with the fields of Llama's feed-forward."""
    return all(hasattr(layer, name) for name in ("gate_proj", "up_proj", "down_proj", "act_fn"))
