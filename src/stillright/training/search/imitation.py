"""How well a student imitates the old model: over validation margins, with far less noise than flips have."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from stillright.tasks.ranking import ABSENT


class Imitation(NamedTuple):
    """Of (student - new) on (old - new), over margins of the right answer; NaN where one never differs from new."""

    slope: float
    correlation: float
    r2: float  # 1 - |student - old|^2 / |new - old|^2: 1 where the student is old, 0 where it is new

    def plain(self) -> dict[str, float | None]:
        """As JSON has it: what is not defined is null."""
        return {name: None if math.isnan(value) else value for name, value in self._asdict().items()}


def margins(scores: Tensor, accepted: Tensor) -> Tensor:
    """(n,) by how much the best right choice is ahead of the best wrong one: scores and accepted (n, K)."""
    right, wrong = (scores.masked_fill(~kept, -torch.inf).amax(1) for kept in (accepted, ~accepted & (scores > ABSENT)))
    return right - wrong


def imitation(student: Tensor, old: Tensor, new: Tensor) -> Imitation:
    """Of margins (n,) each; pairs of which one is infinite, for want of a wrong choice, do not count."""
    finite = torch.isfinite(student) & torch.isfinite(old) & torch.isfinite(new)
    moved, apart = ((model - new)[finite].double() for model in (student, old))
    along, across = apart - apart.mean(), moved - moved.mean()
    slope = along @ across / (along @ along)
    correlation = along @ across / (along.norm() * across.norm())
    r2 = 1 - (moved - apart).square().sum() / apart.square().sum()
    return Imitation(float(slope), float(correlation), float(r2))
