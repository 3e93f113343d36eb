"""What one model changed over several tasks at once: every metric as a weighted mean of the tasks'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from pydantic import BaseModel

from stillright.comparison.strata import Stratum, effective_n, stratified_mean, stratified_rate
from stillright.comparison.tally import Tally
from stillright.records import Kind
from stillright.significance import Array, mcnemar_exact
from stillright.stats import UNDEFINED, Estimate, reaching_zero, within


class Across(BaseModel, frozen=True):
    """Metrics over all tasks, each the weighted mean of the tasks' (docs/metrics.md). Undefined where a task has none.

    n: how many samples of one task would tell as much; all of them where samples weigh the same. delta_score: score
    less old_score. delta_nfr: of a candidate, its NFR less that of new.
    """

    n: float
    old_score: Estimate
    score: Estimate
    delta_score: Estimate
    nfr: Estimate
    pfr: Estimate
    nfr_mc: Estimate
    delta_nfr: Estimate = UNDEFINED


class Scored(Protocol):
    """What is asked of the comparison of a task."""

    @property
    def kind(self) -> Kind: ...
    @property
    def metric(self) -> str | None: ...
    @property
    def lower_is_better(self) -> bool | None: ...


class Tasks(NamedTuple):
    """The tasks of an account over all: comparisons, per-sample columns, and weights (sum 1) of the macro mean."""

    comparisons: Sequence[Scored]
    tallies: Sequence[Tally]
    weights: Sequence[float]

    @property
    def by_size(self) -> list[float]:
        """Weights that make all samples alike."""
        samples = sum(tally.n for tally in self.tallies)
        return [tally.n / samples for tally in self.tallies]

    @property
    def are_answers(self) -> bool:
        """Whether all are right or wrong."""
        return all(each.kind == "discrete" for each in self.comparisons)

    @property
    def counted(self) -> bool:
        """Whether sums are counts, as with one run per model."""
        return all(tally.counted for tally in self.tallies)


def macro(tasks: Tasks, a: int) -> Across:
    """What model `a` (1 is new) changed, tasks by their weights."""
    return _across(tasks, tasks.weights, a)


def pooled(tasks: Tasks, a: int) -> Across:
    """What model `a` (1 is new) changed, all samples alike.

    delta_score of right and wrong answers, which `joint_p` tests, reaches zero unless that is rejected.
    """
    found, p = _across(tasks, tasks.by_size, a), joint_p(tasks, a)
    if p is None or not tasks.are_answers:
        return found
    return found.model_copy(update={"delta_score": reaching_zero(found.delta_score, p)})


def joint_p(tasks: Tasks, a: int) -> float | None:
    """Two-sided p of "in no task is one model right (continuous: better) more often", exact.

    Gains and regressions of all tasks are summed: of matched pairs the Cochran-Mantel-Haenszel test, whose strata are
    the pairs, is McNemar's, and stays so with the tasks as further strata. None with several runs.
    """
    if not tasks.counted:
        return None
    gains, regressions = (
        sum(int(tally.count(f"{part}.{a}")) for tally in tasks.tallies) for part in ("gain", "regression")
    )
    return mcnemar_exact(gains, regressions)


def _across(tasks: Tasks, weights: Sequence[float], a: int) -> Across:
    tallies = tasks.tallies
    pairs = max(tally.pairs for tally in tallies)

    def strata(column: str, less: str | None = None) -> list[Stratum]:
        return [
            Stratum(weight, _column(tally, column, less), tally.counts)
            for weight, tally in zip(weights, tallies, strict=True)
        ]

    def rate(column: str) -> Estimate:
        return stratified_rate(strata(column), pairs) if all(column in tally.sums for tally in tallies) else UNDEFINED

    def difference(column: str, less: str) -> Estimate:
        return within(stratified_mean(strata(column, less)), *_range(tallies, column, less))

    def score(column: str) -> Estimate:
        if tasks.are_answers:
            return rate(column)
        return within(stratified_mean(strata(column)), *_range(tallies, column))

    one_scale = _one_scale(tasks)
    return Across(
        n=effective_n(strata(f"regression.{a}")),
        old_score=score("score.0") if one_scale else UNDEFINED,
        score=score(f"score.{a}") if one_scale else UNDEFINED,
        delta_score=difference(f"score.{a}", "score.0") if one_scale else UNDEFINED,
        nfr=rate(f"regression.{a}"),
        pfr=rate(f"gain.{a}"),
        nfr_mc=rate(f"changed.{a}"),
        delta_nfr=difference(f"regression.{a}", "regression.1") if a > 1 else UNDEFINED,
    )


def _column(tally: Tally, column: str, less: str | None) -> Array:
    return tally.columns[column] if less is None else tally.columns[column] - tally.columns[less]


def _one_scale(tasks: Tasks) -> bool:
    """Whether a mean of scores says something: all are better in one direction, and of one metric or fractions."""
    metrics = {each.metric for each in tasks.comparisons}
    one_metric = len(metrics) == 1 and None not in metrics
    one_direction = len({bool(each.lower_is_better) for each in tasks.comparisons}) == 1
    return one_direction and (one_metric or all(tally.of_fractions("score.0", "score.1") for tally in tasks.tallies))


def _range(tallies: Sequence[Tally], column: str, less: str | None = None) -> tuple[float, float]:
    """What a mean, or a difference of means, lies between."""
    names = (column,) if less is None else (column, less)
    if not all(tally.of_fractions(*names) for tally in tallies):
        return -np.inf, np.inf
    return (0.0, 1.0) if less is None else (-1.0, 1.0)
