"""Forward and backward of attention on a CPU in bfloat16 and in float32, over texts of several lengths.

python benchmarks/attention_speed.py
"""

from __future__ import annotations

import statistics
import time

import torch
from torch.nn.functional import scaled_dot_product_attention

TOKENS, HEADS, WIDTH = 4096, 9, 64
LENGTHS = (16, 32, 64, 128, 256, 512, 1024)
REPEATS = 9


def milliseconds(length: int, dtype: torch.dtype) -> float:
    """Median time of a forward and a backward pass over TOKENS tokens of texts of this length, casts counted."""
    shape = (TOKENS // length, HEADS, length, WIDTH)
    parts = [torch.randn(shape).bfloat16().requires_grad_() for _ in range(3)]
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        query, key, value = (part.to(dtype) for part in parts)
        out = scaled_dot_product_attention(query, key, value, is_causal=True)
        out.bfloat16().sum().backward()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times[1:])


def main() -> None:
    print(f"{'tokens':>8}{'bfloat16 ms':>14}{'float32 ms':>14}{'ratio':>8}")
    for length in LENGTHS:
        half, full = (milliseconds(length, dtype) for dtype in (torch.bfloat16, torch.float32))
        print(f"{length:8}{half:14.1f}{full:14.1f}{half / full:8.2f}")


if __name__ == "__main__":
    main()
