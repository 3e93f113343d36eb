"""The account over all tasks whose samples are in clusters, against a brute-force bootstrap of whole clusters.

    python benchmarks/clustered_suite_peers.py

Draws one update of three tasks whose passages are named alike, once taken to be each task's own and once to be shared.
Prints the standard error of NFR and of the change of accuracy as stillright has it (its design effect, times the error
of independent samples), as statsmodels has it if it is installed (OLS on tasks, cov_type "cluster", without its
correction for few clusters), and the deviation of 20,000 resamples of clusters, within tasks or over all; then the
intervals. Those of stillright allow for skew and for clusters not seen, so they are a little wider.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from stillright import Header, PredictionSet, compare_suite
from stillright.comparison.across import Across
from stillright.config.suite import Suite
from stillright.report.markdown import table

PASSAGES, QUESTIONS = 60, (3, 8, 15)  # of each task on average
RESAMPLES = 20_000
Array = np.ndarray


class Task(NamedTuple):
    """The passage of each sample, and whether old and new are right."""

    passages: Array
    old: Array
    new: Array

    @property
    def values(self) -> dict[str, Array]:
        """What the means are of."""
        return {"nfr": (self.old & ~self.new).astype(float), "delta_score": self.new.astype(float) - self.old}


def drawn() -> list[Task]:
    """Passages are hard to both models, and easily lost, in all tasks alike."""
    draw = np.random.default_rng(0)
    known, lost, gained = draw.beta(3, 1.5, PASSAGES), draw.beta(0.5, 3, PASSAGES), draw.beta(1, 2, PASSAGES)
    tasks = []
    for size in QUESTIONS:
        passages = np.repeat(np.arange(PASSAGES), draw.geometric(1 / size, PASSAGES))
        old, change = draw.random(len(passages)) < known[passages], draw.random(len(passages))
        tasks.append(Task(passages, old, np.where(old, change >= lost[passages], change < gained[passages])))
    return tasks


def as_set(name: str, right: Array, passages: Array) -> PredictionSet:
    named = zip(right, passages, strict=True)
    rows = [{"id": i, "correct": bool(correct), "passage": str(passage)} for i, (correct, passage) in enumerate(named)]
    return PredictionSet.from_rows(Header(name=name), rows)


def compared(tasks: list[Task], shared: bool) -> Across:
    """The macro account of stillright."""
    old, new = (
        {str(i): as_set(side, getattr(task, side), task.passages) for i, task in enumerate(tasks)}
        for side in ("old", "new")
    )
    suite = Suite.model_validate({"tasks": [{"name": name} for name in old], "shared_clusters": shared})
    return compare_suite(old, new, suite=suite, cluster="passage").macro


def resampled(tasks: list[Task], name: str, shared: bool) -> Array:
    """The mean over tasks of RESAMPLES draws of passages: one draw for all tasks where they are shared."""
    draw, means = np.random.default_rng(1), np.zeros(RESAMPLES)
    times = draw.multinomial(PASSAGES, [1 / PASSAGES] * PASSAGES, RESAMPLES)
    for task in tasks:
        if not shared:
            times = draw.multinomial(PASSAGES, [1 / PASSAGES] * PASSAGES, RESAMPLES)
        sums, sizes = np.bincount(task.passages, weights=task.values[name]), np.bincount(task.passages)
        means += times @ sums / (times @ sizes) / len(tasks)
    return means


def independent_error(tasks: list[Task], name: str) -> float:
    """The standard error of the mean over tasks, if samples were independent."""
    variances = [task.values[name].var() / (len(task.old) - 1) for task in tasks]
    return math.sqrt(sum(variances)) / len(tasks)


def error_of_statsmodels(tasks: list[Task], name: str, shared: bool) -> float:
    import statsmodels.api as sm

    of_task = np.repeat(np.arange(len(tasks)), [len(task.old) for task in tasks])
    passages = np.concatenate([task.passages for task in tasks])
    groups = passages if shared else PASSAGES * of_task + passages
    values = np.concatenate([task.values[name] for task in tasks])
    options = {"groups": groups, "use_correction": False}
    fit = sm.OLS(values, np.eye(len(tasks))[of_task]).fit(cov_type="cluster", cov_kwds=options)
    weights = np.full(len(tasks), 1 / len(tasks))
    return float(math.sqrt(weights @ fit.cov_params() @ weights * PASSAGES / (PASSAGES - 1)))


def row(tasks: list[Task], name: str, shared: bool) -> list[str]:
    account, boot = compared(tasks, shared), resampled(tasks, name, shared)
    found, clusters = getattr(account, name), account.clusters
    assert clusters is not None
    ours = math.sqrt(clusters.design_effect[name] or 0.0) * independent_error(tasks, name)
    theirs = f"{error_of_statsmodels(tasks, name, shared):.5f}" if find_spec("statsmodels") else "-"
    low, high = np.quantile(boot, [0.025, 0.975])
    ends = [f"{found.low:.4f} to {found.high:.4f}", f"{low:.4f} to {high:.4f}"]
    return [f"{name}, {'shared' if shared else 'of each task'}", f"{ours:.5f}", theirs, f"{boot.std():.5f}", *ends]


def main() -> None:
    tasks = drawn()
    rows = [row(tasks, name, shared) for shared in (False, True) for name in ("nfr", "delta_score")]
    errors = [f"error, {peer}" for peer in ("stillright", "statsmodels", "bootstrap")]
    samples = sum(len(task.old) for task in tasks)
    print(f"{samples:,} samples, {PASSAGES} passages in each of {len(tasks)} tasks", end="\n\n")
    print(table(["", *errors, "interval, stillright", "interval, bootstrap"], rows))


if __name__ == "__main__":
    main()
