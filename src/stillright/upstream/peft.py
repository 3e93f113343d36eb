"""Private parts of peft, and what is assumed of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from peft.tuners.lora import Linear as LoraLayer
from torch import Tensor, nn

peft_forward: Callable[..., Tensor] = LoraLayer.forward


class PlainLora(NamedTuple):
    """What a LoRA layer computes: x weight' + bias + scaling (x a' b'), where weight and bias are frozen."""

    weight: Tensor  # (out, in)
    bias: Tensor | None  # (out,)
    a: Tensor  # (r, in)
    b: Tensor  # (out, r)
    scaling: float


def without_adapter(model: Any) -> Any:
    """What a PeftModel wraps, whose layers still hold the adapter; any other model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def lora_layers(model: nn.Module) -> Iterator[LoraLayer]:
    """The LoRA layers on unquantized linear layers, which are a class of their own, whose forward is PEFT's."""
    return (layer for layer in model.modules() if is_lora(layer) and has_own_forward(layer))


def is_lora(layer: Any) -> bool:
    """Whether it is LoRA on an unquantized linear layer."""
    return type(layer) is LoraLayer


def has_own_forward(layer: nn.Module) -> bool:
    """Whether the layer's forward is that of its class: hooks of accelerate replace it, to load weights for a call."""
    return "forward" not in vars(layer)


def plain_lora(layer: LoraLayer) -> PlainLora | None:
    """What the layer computes, where that is one adapter without dropout, bias or variant (DoRA ...), in use and not
    merged, beside a frozen linear layer; None where it may be anything else."""
    active = [name for name in layer.active_adapters if name in layer.lora_A]
    if layer.disable_adapters or layer.merged or len(active) != 1:
        return None
    (name,) = active
    base, a, b = layer.base_layer, layer.lora_A[name], layer.lora_B[name]
    if not all(map(_is_bare, (base, a, b))) or any(weight.requires_grad for weight in base.parameters()):
        return None
    changed = layer.fan_in_fan_out or name in layer.lora_variant or b.bias is not None
    if changed or not isinstance(layer.lora_dropout[name], nn.Identity):
        return None
    return PlainLora(base.weight, base.bias, a.weight, b.weight, layer.scaling[name])


def _is_bare(layer: nn.Module) -> bool:
    """Whether a call of the layer is torch's product with its weight and nothing else."""
    hooks = (layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks, layer._backward_pre_hooks)
    return type(layer) is nn.Linear and has_own_forward(layer) and not any(hooks)
