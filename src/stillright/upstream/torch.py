"""Private parts of torch, and what is assumed of them."""

from __future__ import annotations

from typing import Any


def cpu_has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself, as AVX-512 BF16 and AMX do."""
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def default_store() -> Any:
    """The launcher's key-value store, at which all processes of a group meet."""
    from torch.distributed.distributed_c10d import _get_default_store

    return _get_default_store()
