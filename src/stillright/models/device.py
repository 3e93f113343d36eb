"""The device of this process, and the dtype that models have on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stillright import ranks
from stillright.upstream.torch import cpu_has_bfloat16

if TYPE_CHECKING:
    import torch


def device() -> torch.device:
    """The device of this process."""
    found: torch.device = ranks.state().device
    return found


def compute_dtype(wanted: str) -> torch.dtype:
    """The torch dtype of weights and activations; auto: bfloat16 where this process's device has it, else float32."""
    import torch

    if wanted != "auto":
        dtype: torch.dtype = getattr(torch, wanted)
        return dtype
    return torch.bfloat16 if _has_bfloat16(device()) else torch.float32


def _has_bfloat16(place: torch.device) -> bool:
    """No, where a device's module does not say."""
    import torch

    if place.type == "cpu":
        return cpu_has_bfloat16()
    says = getattr(torch.get_device_module(place), "is_bf16_supported", None)
    return bool(says and says())
