"""Which norm a linear layer reads from, so that a difference of norms can go into the layers after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


def norms_before(skeleton: Any) -> dict[str, str]:
    """Linear layer -> the norm whose output is its input, by the names of modules.

    skeleton: a causal model on the meta device, which reads a text of no content. Layers that read something else, and
    all layers of an architecture that cannot be run there, are left out.
    """
    before: dict[str, str] = {}
    outputs: dict[int, tuple[str, Any]] = {}  # tensors are kept, so that none takes the identity of another
    hooks = [
        module.register_forward_pre_hook(_reads(name, outputs, before))
        if isinstance(module, nn.Linear)
        else module.register_forward_hook(_writes(name, outputs))
        for name, module in skeleton.named_modules()
        if isinstance(module, nn.Linear) or _is_norm(module)
    ]
    try:
        with torch.no_grad():
            skeleton(input_ids=torch.zeros(1, 4, dtype=torch.long, device="meta"))
    except (RuntimeError, NotImplementedError, TypeError, ValueError):  # what a meta device cannot do
        before.clear()
    finally:
        for hook in hooks:
            hook.remove()
    return before


def _reads(name: str, outputs: dict[int, tuple[str, Any]], before: dict[str, str]) -> Callable[..., None]:
    def hook(_: Any, args: tuple[Any, ...]) -> None:
        for read in args[:1] and (args[0], args[0]._base):  # a head reads a part of it
            if id(read) in outputs:
                before[name] = outputs[id(read)][0]

    return hook


def _writes(name: str, outputs: dict[int, tuple[str, Any]]) -> Callable[..., None]:
    def hook(_: Any, __: Any, output: Any) -> None:
        outputs[id(output)] = (name, output)

    return hook


def _is_norm(module: nn.Module) -> bool:
    """Whether it has nothing but one weight per channel, and gives channels that differ only by it: an RMS norm."""
    shapes = [(name, weight.dim()) for name, weight in module.named_parameters(recurse=False)]
    return shapes == [("weight", 1)] and not [*module.children()]


def gain(norm: nn.Module, weight: Tensor) -> Tensor:
    """(H,) what an RMS norm with this weight multiplies channels by, in float32: the weight, or one more (Gemma)."""
    ones = torch.ones(1, len(weight), dtype=torch.float32)
    found: Tensor = functional_call(norm, {"weight": weight.float()}, (ones,))
    return found[0]
