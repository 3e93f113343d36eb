"""How well a student imitates the old model: over validation margins, with far less noise than flips have."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from stillright.significance import Array
from stillright.stats import NO_WIDTH, UNDEFINED, Estimate, correlation, ratio_interval, slope
from stillright.tasks.ranking import ABSENT


class Imitation(NamedTuple):
    """Of (student - new) on (old - new), over margins of the right answer; undefined where one never differs from new.

    docs/strategies.md gives the formulas.
    """

    slope: Estimate
    correlation: Estimate
    r2: Estimate  # 1 - |student - old|^2 / |new - old|^2: 1 where the student is old, 0 where it is new
    n: int  # samples that count

    def plain(self) -> dict[str, Any]:
        """As JSON has it: what is not defined is null."""
        estimates = {name: asdict(value) for name, value in self._asdict().items() if isinstance(value, Estimate)}
        return {**estimates, "n": self.n}

    def __str__(self) -> str:
        return f"slope {self.slope.shown()}, R2 {self.r2.shown()}"


def margins(scores: Tensor, accepted: Tensor) -> Tensor:
    """(n,) by how much the best right choice is ahead of the best wrong one: scores and accepted (n, K).

    Of a single text, K = 1, its score: the log-likelihood of a reference.
    """
    if scores.shape[1] == 1:
        return scores[:, 0]
    right, wrong = (scores.masked_fill(~kept, -torch.inf).amax(1) for kept in (accepted, ~accepted & (scores > ABSENT)))
    return right - wrong


def imitation(student: Tensor, old: Tensor, new: Tensor) -> Imitation:
    """Of margins (n,) each; samples of which one is infinite, for want of a right or a wrong choice, do not count."""
    finite = torch.isfinite(student) & torch.isfinite(old) & torch.isfinite(new)
    moved, apart = ((model - new)[finite].double().numpy() for model in (student, old))
    return Imitation(slope(apart, moved), correlation(apart, moved), _r2(apart, moved), len(moved))


def _r2(apart: Array, moved: Array) -> Estimate:
    """1 - sum (moved - apart)^2 / sum apart^2; undefined where nothing is apart."""
    if not (np.abs(apart) > NO_WIDTH).any():
        return UNDEFINED
    left = ratio_interval((moved - apart) ** 2, apart**2, np.ones(len(apart)), span=0.0)
    value, high, low = (None if each is None else 1 - each for each in (left.value, left.low, left.high))
    return Estimate(value, low, None if high is None else min(high, 1.0))
