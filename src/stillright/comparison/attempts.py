"""pass@k and pass^k: how often one of k attempts at an item is right, and how often all are."""

from __future__ import annotations

from math import comb

import numpy as np
import polars as pl
from pydantic import BaseModel

from stillright.clusters import mean_of_fractions
from stillright.comparison.models import Model
from stillright.significance import Array
from stillright.stats import Estimate


class Attempts(BaseModel, frozen=True):
    """Of one model with several runs, by k, the number of attempts: 1, 2, 4, ... and all runs.

    pass_at_k: the probability that at least one of k attempts at an item is right (Chen et al., 2021, arXiv
    2107.03374); pass_hat_k, written pass^k: that all k are (Yao et al., 2024, arXiv 2406.12045). Means over items of
    the unbiased estimates 1 - C(n - c, k) / C(n, k) and C(c, k) / C(n, k), with c of n runs right.
    """

    runs: int
    pass_at_k: dict[int, Estimate]
    pass_hat_k: dict[int, Estimate]


def attempts(model: Model[pl.DataFrame], cluster: pl.Series | None = None) -> Attempts | None:
    """Those of a model whose tables have `right`; None for one run. cluster: (n,), the number of each sample's."""
    runs = len(model.runs)
    if runs < 2:
        return None
    right = runs_right(model)
    sizes = [k for k in dict.fromkeys((*(2**i for i in range(runs.bit_length())), runs)) if k <= runs]

    def mean(chances: list[float]) -> Estimate:
        return mean_of_fractions(np.array(chances)[right], None if cluster is None else cluster.to_numpy())

    return Attempts(
        runs=runs,
        pass_at_k={k: mean([1 - comb(runs - c, k) / comb(runs, k) for c in range(runs + 1)]) for k in sizes},
        pass_hat_k={k: mean([comb(c, k) / comb(runs, k) for c in range(runs + 1)]) for k in sizes},
    )


def runs_right(model: Model[pl.DataFrame]) -> Array:
    """In how many runs each item is right, (n,) whole numbers."""
    counts: Array = np.sum([run["right"].to_numpy() for run in model.runs], axis=0)
    return counts
