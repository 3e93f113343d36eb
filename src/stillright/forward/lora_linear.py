"""A LoRA layer as six matrix products: nothing is copied, cast or kept that they do not need.

PEFT's own forward makes, for each layer, a float32 copy of the input, autocast makes a bfloat16 one of that, which
backward keeps, and the adapter's part is scaled and added in passes of their own. Here all layers that read the same
input keep the same tensor, and the adapter's part is added by the product that makes it.
"""

from __future__ import annotations

import types
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from stillright.upstream.peft import lora_layers, peft_forward, plain_lora


class _LoraLinear(torch.autograd.Function):
    """x W' + bias + scaling x A' B', with gradients for x, A and B; W and bias are frozen."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        x_rows = x.reshape(-1, x.shape[-1])  # (N, in)
        down, up = a.to(x.dtype), (b * scale).to(x.dtype)
        inner = x_rows @ down.T  # (N, r)
        out = functional.linear(x_rows, weight, bias).addmm_(inner, up.T)
        ctx.save_for_backward(x_rows, weight, down, up, inner)
        ctx.scale, ctx.dtype = scale, a.dtype
        return out.view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(ctx: Any, of_out: Tensor) -> tuple[Tensor | None, ...]:
        x_rows, weight, down, up, inner = ctx.saved_tensors
        rows = of_out.reshape(-1, of_out.shape[-1])  # (N, out)
        of_inner = rows @ up
        of_a, of_b = (of_inner.T @ x_rows).to(ctx.dtype), (rows.T @ inner).to(ctx.dtype).mul_(ctx.scale)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = (rows @ weight).addmm_(of_inner, down).view(*of_out.shape[:-1], -1)
        return of_x, None, None, of_a, of_b, None


def _forward(layer: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """PEFT's forward, or what equals it where `layer` is plain and computes in its weight's dtype."""
    plain, mixed = plain_lora(layer), torch.is_autocast_enabled(x.device.type)
    dtype = torch.get_autocast_dtype(x.device.type) if mixed else x.dtype
    if args or kwargs or plain is None or plain.weight.dtype != dtype or not (mixed or plain.a.dtype == dtype):
        return peft_forward(layer, x, *args, **kwargs)
    fused: Tensor = _LoraLinear.apply(x.to(dtype), *plain)  # type: ignore[no-untyped-call]
    return fused


def fuse_lora(model: nn.Module) -> None:
    """Gives every LoRA layer of `model` on an ordinary linear layer the forward above; what it returns is the same."""
    for layer in lora_layers(model):
        layer.forward = types.MethodType(_forward, layer)
