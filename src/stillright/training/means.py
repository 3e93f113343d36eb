"""Means of what is logged: their sums stay on the device, and are read once, when they are divided."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from accelerate.utils import gather_object
from torch import Tensor


class Mean(NamedTuple):
    """A mean before it is divided, so that those of several batches add up."""

    total: Tensor  # scalar
    count: Any  # Tensor or int, of tokens or samples; tuple has a method of this name

    def sums(self) -> Tensor:
        """(2,) both without gradient, on the device, as wide as it can add: sums of an evaluation are long."""
        total = self.total.detach()
        count = self.count if isinstance(self.count, Tensor) else torch.full_like(total, self.count)
        wide = torch.float32 if total.device.type == "mps" else torch.float64
        return torch.stack([total.to(wide), count.to(wide)])


class Means:
    """The means of all batches since they were last divided."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}

    def add(self, batch: dict[str, Mean]) -> None:
        """Counts what a batch adds to each; nothing is read from the device."""
        for name, mean in batch.items():
            self._sums[name] = mean.sums() + self._sums.get(name, 0)

    def divided(self) -> dict[str, float]:
        """Each over the batches of all processes, unless it counted nothing; they begin anew."""
        mine = dict(zip(self._sums, torch.stack(list(self._sums.values())).cpu(), strict=True)) if self._sums else {}
        self._sums, every = {}, dict[str, Tensor]()
        for known in gather_object([mine]):
            for name, sums in known.items():
                every[name] = sums + every.get(name, 0)
        pairs = {name: sums.tolist() for name, sums in every.items()}
        return {name: total / count for name, (total, count) in pairs.items() if count}
