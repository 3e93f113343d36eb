"""The sizes of a model with a LoRA adapter, counted on a skeleton without weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from peft import PeftConfig, get_peft_model
from torch import nn

from stillright.models import Source, load_skeleton


class Shape(NamedTuple):
    """Numbers of things, not bytes."""

    parameters: int  # of the base, tied ones once
    linear: int  # weights of the linear layers before the head: each multiplies every token
    widths: int  # inputs and outputs of these layers, and the ranks of their adapters
    layers: int
    hidden: int
    attention: int  # width of all queries of a layer
    vocabulary: int
    adapter: int  # parameters that are trained

    @property
    def head(self) -> int:
        """Weights of the LM head."""
        return self.vocabulary * self.hidden


_counted: dict[tuple[Source, str], Shape] = {}


def shape_of(base: Source, adapter: PeftConfig) -> Shape:
    """The shape of `base` with an adapter, counted once. Raises ModelError where there is no such base."""
    key = (base, str(sorted(adapter.to_dict().items())))
    if key not in _counted:
        _counted[key] = _shape_of(base, adapter)
    return _counted[key]


def _shape_of(base: Source, adapter: PeftConfig) -> Shape:
    model = load_skeleton(base)
    config = model.config.get_text_config()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    head = model.get_output_embeddings()
    linear = [module for module in model.modules() if isinstance(module, nn.Linear) and module is not head]
    with torch.device("meta"):
        wrapped = get_peft_model(model, adapter)
    heads = config.num_attention_heads
    return Shape(
        parameters=parameters,
        linear=sum(module.weight.numel() for module in linear),
        widths=sum(module.in_features + module.out_features for module in linear) + _ranks(wrapped),
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        attention=heads * (getattr(config, "head_dim", None) or config.hidden_size // heads),
        vocabulary=config.vocab_size,
        adapter=sum(parameter.numel() for parameter in wrapped.parameters() if parameter.requires_grad),
    )


def _ranks(model: Any) -> int:
    """The ranks of all adapted layers together."""
    return sum(len(parameter) for name, parameter in model.named_parameters() if "lora_A" in name)
