"""What one model changed over several tasks at once: every metric as a weighted mean of the tasks'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
from pydantic import BaseModel

from stillright.comparison.account import Grouping
from stillright.comparison.clustered_strata import (
    TaskClusters,
    clustered_design_effect,
    mean_over,
    rate_over,
)
from stillright.comparison.measures import MeasureAcross
from stillright.comparison.measures_across import MeasuredTasks, measured_across
from stillright.comparison.strata import Stratum, effective_n
from stillright.comparison.tally import Tally
from stillright.records import Kind
from stillright.significance import Array, mcnemar_exact
from stillright.stats import UNDEFINED, Estimate, reaching_zero, within


class Across(BaseModel, frozen=True):
    """Metrics over all tasks, each the weighted mean of the tasks' (docs/metrics.md). Undefined where a task has none.

    n: how many samples of one task would tell as much; all of them where samples weigh the same. delta_score: score
    less old_score. delta_nfr: of a candidate, its NFR less that of new. clusters: of samples, if they are not
    independent; n does not allow for them, intervals do.
    """

    n: float
    clusters: Grouping | None = None
    old_score: Estimate
    score: Estimate
    delta_score: Estimate
    nfr: Estimate
    pfr: Estimate
    nfr_mc: Estimate
    delta_nfr: Estimate = UNDEFINED
    measures: tuple[MeasureAcross, ...] = ()


class Scored(Protocol):
    """What is asked of the comparison of a task."""

    @property
    def kind(self) -> Kind: ...
    @property
    def metric(self) -> str | None: ...
    @property
    def lower_is_better(self) -> bool | None: ...


class Tasks(NamedTuple):
    """The tasks of an account over all: comparisons, per-sample columns, and weights (sum 1) of the macro mean.

    clusters: of samples, if these are not independent. measures: numeric columns, by name.
    """

    comparisons: Sequence[Scored]
    tallies: Sequence[Tally]
    weights: Sequence[float]
    clusters: TaskClusters | None = None
    measures: Mapping[str, MeasuredTasks] = MappingProxyType({})

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
    measures = tuple(measured_across(name, each, tasks.weights, a) for name, each in tasks.measures.items())
    return _across(tasks, tasks.weights, a).model_copy(update={"measures": measures})


def pooled(tasks: Tasks, a: int) -> Across:
    """What model `a` (1 is new) changed, all samples alike.

    delta_score of right and wrong answers, which `joint_p` tests, reaches zero unless that is rejected.
    """
    measures = tuple(measured_across(name, each, each.by_size, a) for name, each in tasks.measures.items())
    found, p = _across(tasks, tasks.by_size, a).model_copy(update={"measures": measures}), joint_p(tasks, a)
    if p is None or not tasks.are_answers:
        return found
    return found.model_copy(update={"delta_score": reaching_zero(found.delta_score, p)})


def joint_p(tasks: Tasks, a: int) -> float | None:
    """Two-sided p of "in no task is one model right (continuous: better) more often", exact.

    Gains and regressions of all tasks are summed: of matched pairs the Cochran-Mantel-Haenszel test, whose strata are
    the pairs, is McNemar's, and stays so with the tasks as further strata. Of clusters the signs of their sums are
    flipped. None with several runs.
    """
    if not tasks.counted:
        return None
    if tasks.clusters is not None:
        return tasks.clusters.sign_flip_p(
            [tally.differences(f"gain.{a}", f"regression.{a}") for tally in tasks.tallies]
        )
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
        known = all(column in tally.sums for tally in tallies)
        return rate_over(strata(column), tasks.clusters, pairs) if known else UNDEFINED

    def difference(column: str, less: str) -> Estimate:
        return within(mean_over(strata(column, less), tasks.clusters), *_range(tallies, column, less))

    def score(column: str) -> Estimate:
        if tasks.are_answers:
            return rate(column)
        return within(mean_over(strata(column), tasks.clusters), *_range(tallies, column))

    one_scale = _one_scale(tasks)
    return Across(
        n=effective_n(strata(f"regression.{a}")),
        clusters=_grouping(tasks, strata(f"regression.{a}"), strata(f"score.{a}", "score.0")),
        old_score=score("score.0") if one_scale else UNDEFINED,
        score=score(f"score.{a}") if one_scale else UNDEFINED,
        delta_score=difference(f"score.{a}", "score.0") if one_scale else UNDEFINED,
        nfr=rate(f"regression.{a}"),
        pfr=rate(f"gain.{a}"),
        nfr_mc=rate(f"changed.{a}"),
        delta_nfr=difference(f"regression.{a}", "regression.1") if a > 1 else UNDEFINED,
    )


def _grouping(tasks: Tasks, flips: Sequence[Stratum], change: Sequence[Stratum]) -> Grouping | None:
    clusters = tasks.clusters
    if clusters is None:
        return None
    found = {"nfr": flips, "delta_score": change}
    effects = {name: clustered_design_effect(strata, clusters) for name, strata in found.items()}
    largest = clusters.largest([tally.counts for tally in tasks.tallies])
    return Grouping(count=clusters.count, largest=largest, design_effect=effects)


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
