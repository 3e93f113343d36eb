"""How fast this device computes, measured in a fraction of a second."""

from __future__ import annotations

import time
from typing import NamedTuple

import torch

from stillright import models

SIDE = 1024  # of the matrices
SECONDS = 0.3
REACHED_ON_CPU, REACHED = 0.1, 0.4  # part of the matrix-product rate that whole stages reach; the first is measured
OTHER, OTHER_BYTES = (312e12, "one A100"), 80e9  # bfloat16 peak, and memory


class Rate(NamedTuple):
    """Operations per second, and on what."""

    flops: float
    device: str
    reached: float = REACHED

    def seconds(self, flops: float) -> float:
        """Seconds for `flops` operations, at the part of the rate that is reached."""
        return flops / (self.reached * self.flops)


def measured_rate(dtype: torch.dtype) -> Rate:
    """The rate of matrix products in `dtype` on this process's device."""
    device = models.device()
    a, b = (torch.ones(SIDE, SIDE, dtype=dtype, device=device) for _ in range(2))
    (a @ b).sum().item()  # the first product prepares more than it computes
    start, products = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        (a @ b)[0, 0].item()  # waits for the device
        products += 1
    rate = 2 * SIDE**3 * products / (time.perf_counter() - start)
    return Rate(rate, _name(device), REACHED_ON_CPU if device.type == "cpu" else REACHED)


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"this processor ({torch.get_num_threads()} threads)" if device.type == "cpu" else device.type
