"""From one pair of texts to many samples with several references each. Knows sequences of texts, not metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stillright.errors import DataError
from stillright.significance import Array

Score = Callable[[Sequence[str], Sequence[Sequence[str]]], Array]  # outputs (n,), references (n, 1 or more) -> S (n,)


def check_samples(outputs: Sequence[str], references: Sequence[Sequence[str]], least: int = 1) -> None:
    """Raises DataError unless every output has a sequence of `least` references or more."""
    if len(outputs) != len(references):
        raise DataError(f"{len(outputs)} outputs, but references for {len(references)}; give one sequence per output")
    for number, accepted in enumerate(references):
        if isinstance(accepted, str):
            raise DataError(f"sample {number}: its references are one text; give a list of texts")
        if len(accepted) < least:
            raise DataError(f"sample {number} has no reference; give it one, or leave it out")


def best_of(score: Callable[[str, str], float]) -> Score:
    """`score`(output, reference) of many samples, the best of several references. Raises as `check_samples` does."""

    def best(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> Array:
        check_samples(outputs, references)
        pairs = zip(outputs, references, strict=True)
        return np.array([max(score(output, text) for text in accepted) for output, accepted in pairs], dtype=np.float64)

    return best
