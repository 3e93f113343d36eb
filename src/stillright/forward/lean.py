"""Layers that keep less for backward than their own code does, with the same outputs.

A norm keeps its input and not float32 copies of it; a gated feed-forward keeps gate and up, and makes their product
again from them. A layer is changed only if it gives, on a trial, exactly what it gave before.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from stillright.forward.attention import attend_in_float32
from stillright.forward.lora_linear import fuse_lora
from stillright.upstream.peft import has_own_forward, without_adapter
from stillright.upstream.transformers import is_gated_mlp, is_rms_norm

TRIED = 4  # rows of a trial


class _RMSNorm(torch.autograd.Function):
    """weight * x / rms(x), computed in float32; weight is frozen."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        exact = x.float()
        scale = torch.rsqrt(exact.pow(2).mean(dim=-1, keepdim=True) + eps)
        ctx.save_for_backward(x, weight, scale)
        return weight * (exact * scale).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, of_out: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, scale = ctx.saved_tensors
        unit = x.float() * scale
        of_unit = (of_out * weight).float()
        along = (of_unit * unit).mean(dim=-1, keepdim=True)  # what only changes the length of x is lost
        return (of_unit - unit * along).mul_(scale).to(x.dtype), None, None


class _Gated(torch.autograd.Function):
    """act(gate) * up; backward works it out again."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, act: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(gate, up)
        ctx.act = act
        return act(gate) * up

    @staticmethod
    def backward(ctx: Any, of_out: Tensor) -> tuple[Tensor | None, ...]:
        gate, up = (saved.detach().requires_grad_() for saved in ctx.saved_tensors)
        with torch.enable_grad():
            out = ctx.act(gate) * up
        return *torch.autograd.grad(out, (gate, up), of_out), None


def _rms_norm(layer: Any, x: Tensor) -> Tensor:
    out: Tensor = _RMSNorm.apply(x, layer.weight, layer.variance_epsilon)  # type: ignore[no-untyped-call]
    return out


def _feed_forward(layer: Any, x: Tensor) -> Tensor:
    gated: Tensor = _Gated.apply(layer.gate_proj(x), layer.up_proj(x), layer.act_fn)  # type: ignore[no-untyped-call]
    out: Tensor = layer.down_proj(gated)
    return out


# what layers that look so may do
LEAN: dict[Callable[[Any], bool], Callable[[Any, Tensor], Tensor]] = {
    is_rms_norm: _rms_norm,
    is_gated_mlp: _feed_forward,
}


@torch.no_grad()
def _does_the_same(layer: Any, forward: Callable[[Any, Tensor], Tensor]) -> bool:
    """Whether `forward` gives exactly what the layer gives."""
    weight = layer.weight if hasattr(layer, "weight") else layer.gate_proj.weight
    if weight.is_meta or not weight.is_floating_point():  # loaded for each call, or quantized
        return False
    x = torch.linspace(-2, 2, TRIED * weight.shape[-1], device=weight.device).view(TRIED, -1).to(weight.dtype)
    return torch.equal(layer(x), forward(layer, x))


def _lean_forward(layer: nn.Module) -> Callable[[Any, Tensor], Tensor] | None:
    """The forward that may take the place of the layer's own. A norm whose weight is trained keeps its own."""
    trained = any(parameter.requires_grad for parameter in layer.parameters(recurse=False))
    if trained or not has_own_forward(layer):
        return None
    for looks_so, forward in LEAN.items():
        if looks_so(layer) and _does_the_same(layer, forward):
            return forward
    return None


def slim_layers(model: Any) -> None:
    """Makes layers of `model` (base or PeftModel) compute and keep less, where the outputs are sure to be the same."""
    fuse_lora(model)
    attend_in_float32(without_adapter(model))
    for layer in model.modules():
        if (forward := _lean_forward(layer)) is not None:
            layer.forward = types.MethodType(forward, layer)
