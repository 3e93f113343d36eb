"""The account over all tasks of a suite against independent ways to it: a bootstrap within tasks, statsmodels, SciPy.

    python benchmarks/suite_peers.py

Draws three tasks of right and wrong answers, prints each interval beside the percentiles of 20,000 resamples of every
task, and the joint test beside statsmodels' exact McNemar test of the summed table and the statistic of its
Cochran-Mantel-Haenszel test over pairs. Needs statsmodels and SciPy.
"""

from __future__ import annotations

import numpy as np
from statsmodels.stats.contingency_tables import StratifiedTable, mcnemar

from stillright import Header, PredictionSet, SuiteComparison, compare_suite

SIZES, RATES = (150, 400, 900), (0.10, 0.04, 0.07)  # of the tasks, and of old's right answers that are lost
RESAMPLES = 20_000
Array = np.ndarray


def draw(seed: int) -> dict[str, tuple[Array, Array]]:
    """For each task whether old and new are right."""
    generator = np.random.default_rng(seed)
    tasks = {}
    for n, rate in zip(SIZES, RATES, strict=True):
        old = generator.random(n) < 0.7
        tasks[f"task of {n}"] = old, np.where(generator.random(n) < rate, ~old, old)
    return tasks


def compared(tasks: dict[str, tuple[Array, Array]]) -> SuiteComparison:
    """What stillright says."""
    old, new = (
        {name: verdicts(place, pair[side]) for name, pair in tasks.items()} for side, place in enumerate(("old", "new"))
    )
    return compare_suite(old, new)


def verdicts(name: str, right: Array) -> PredictionSet:
    return PredictionSet.from_rows(Header(name=name), [{"id": i, "correct": bool(r)} for i, r in enumerate(right)])


def resampled(tasks: dict[str, tuple[Array, Array]]) -> dict[str, Array]:
    """For each mean 20,000 values of NFR and change in score, (2, RESAMPLES): every task resampled for itself."""
    generator = np.random.default_rng(7)
    means = []
    for old, new in tasks.values():
        lost, change = (old & ~new).astype(float), new.astype(float) - old
        picked = generator.integers(len(old), size=(RESAMPLES, len(old)))
        means.append(np.stack([lost[picked].mean(axis=1), change[picked].mean(axis=1)]))
    by_task = np.stack(means)  # (tasks, 2, RESAMPLES)
    sizes = np.array(SIZES) / sum(SIZES)
    return {"macro": by_task.mean(axis=0), "pooled": np.tensordot(sizes, by_task, axes=1)}


def main() -> None:
    tasks = draw(0)
    suite, boot = compared(tasks), resampled(tasks)
    for mean, account in (("macro", suite.macro), ("pooled", suite.pooled)):
        for name, found, values in zip(
            ("nfr", "delta_score"), (account.nfr, account.delta_score), boot[mean], strict=True
        ):
            low, high = np.quantile(values, [0.025, 0.975])
            print(
                f"{mean:<7}{name:<12}{found.value:+.4f}  ours [{found.low:+.4f}, {found.high:+.4f}]  bootstrap ", end=""
            )
            print(f"[{low:+.4f}, {high:+.4f}]")
    lost, gained = (sum(int((a & ~b).sum()) for a, b in pairs) for pairs in both_ways(tasks))
    exact = mcnemar([[0, lost], [gained, 0]], exact=True).pvalue
    print(f"joint p {suite.joint_p:.10f}, statsmodels' exact McNemar {exact:.10f}")
    pairs = [
        np.array([[a, 1 - a], [b, 1 - b]]) for old, new in tasks.values() for a, b in zip(old * 1, new * 1, strict=True)
    ]
    statistic = StratifiedTable(pairs).test_null_odds(correction=False).statistic
    print(f"statistic {(gained - lost) ** 2 / (gained + lost):.6f}, statsmodels' CMH over pairs {statistic:.6f}")


def both_ways(tasks: dict[str, tuple[Array, Array]]) -> tuple[list[tuple[Array, Array]], list[tuple[Array, Array]]]:
    """The pairs as they are, and swapped."""
    return list(tasks.values()), [(new, old) for old, new in tasks.values()]


if __name__ == "__main__":
    main()
