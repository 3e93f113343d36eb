"""Intervals of samples in clusters against statsmodels and against a brute-force bootstrap of whole clusters.

    python benchmarks/cluster_peers.py    # needs statsmodels

Prints, for NFR and the change of accuracy of one simulated update, the clustered standard error as stillright has it
(from the design effect), as statsmodels has it (OLS of a constant, cov_type "cluster"), and the deviation of 20,000
resamples of clusters; then the intervals. Those of stillright allow for skew and for clusters not seen, so they are a
little wider.
"""

from __future__ import annotations

import math

import numpy as np
import statsmodels.api as sm

from stillright.comparison import compare
from stillright.records import Header, PredictionSet
from stillright.report.markdown import table
from stillright.stats import Estimate

CLUSTERS, RESAMPLES = 60, 20_000


def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cluster of each sample, and whether old and new are right."""
    generator = np.random.default_rng(0)
    sizes = generator.geometric(0.1, CLUSTERS)
    numbers = np.repeat(np.arange(CLUSTERS), sizes)
    old = generator.random(len(numbers)) < generator.beta(3, 1.5, CLUSTERS)[numbers]
    lost = generator.random(len(numbers)) < generator.beta(0.5, 3, CLUSTERS)[numbers]
    gained = generator.random(len(numbers)) < generator.beta(1, 2, CLUSTERS)[numbers]
    return numbers, old, np.where(old, ~lost, gained)


def as_set(name: str, right: np.ndarray, numbers: np.ndarray) -> PredictionSet:
    rows = [
        {"id": i, "correct": bool(r), "passage": str(g)} for i, (r, g) in enumerate(zip(right, numbers, strict=True))
    ]
    return PredictionSet.from_rows(Header(name=name), rows)


def row(name: str, values: np.ndarray, numbers: np.ndarray, ours: Estimate, effect: float) -> list[str]:
    n = len(values)
    plain = math.sqrt(effect * values.var() / (n - 1))
    fit = sm.OLS(values, np.ones(n)).fit(cov_type="cluster", cov_kwds={"groups": numbers}, use_t=True)
    low, high = fit.conf_int()[0]
    sums, sizes = np.bincount(numbers, weights=values), np.bincount(numbers)
    draws = np.random.default_rng(1).integers(0, CLUSTERS, (RESAMPLES, CLUSTERS))
    means = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    ends = np.quantile(means, [0.025, 0.975])
    errors = [f"{each:.5f}" for each in (plain, fit.bse[0], means.std())]
    shown = [f"{a:.4f} to {b:.4f}" for a, b in ((ours.low, ours.high), (low, high), ends)]
    return [name, *errors, *shown]


def main() -> None:
    numbers, old, new = drawn()
    comparison = compare(as_set("old", old, numbers), as_set("new", new, numbers), cluster="passage")
    flips, clusters = comparison.comparison, comparison.clusters
    assert clusters is not None
    columns = {
        "nfr": ((old & ~new).astype(float), flips.nfr),
        "delta_score": (new.astype(float) - old.astype(float), flips.delta_score),
    }
    rows = [
        row(name, values, numbers, ours, clusters.design_effect[name] or 0.0)
        for name, (values, ours) in columns.items()
    ]
    peers = ("stillright", "statsmodels", "bootstrap")
    print(f"{len(old):,} samples in {CLUSTERS} clusters", end="\n\n")
    print(table(["", *(f"error, {each}" for each in peers), *(f"interval, {each}" for each in peers)], rows))


if __name__ == "__main__":
    main()
