"""Tiny random models of any architecture, for what differs between architectures."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

WINDOW = {"sliding_window": 4, "max_position_embeddings": 64}  # shorter than most texts


def tiny(model_type: str, **settings: Any) -> Any:
    """A random model of an architecture, too small to be slow."""
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "vocab_size": 320}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8}
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **{**sizes, **heads, **settings})
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def far_seeing(model: Any) -> None:
    """Makes what a layer sees matter as much as its own token does."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.3)
