"""Limits on what answers cost, ratios of numeric columns, as limits that are judged like those on metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stillright.comparison import Comparison
from stillright.comparison.account import Grouping
from stillright.comparison.measures import MeasureAcross, ModelMeasure
from stillright.comparison.suite import SuiteComparison
from stillright.config import Policy
from stillright.config.measures import MeasureLimit
from stillright.verdict.places import UNIT_OF_CLUSTERS, Place, chosen_tasks, in_task, over_all, refuse_suite


class RatioLimit(NamedTuple):
    """The most that a ratio may be. metric: "COLUMN ratio" or "COLUMN geometric_ratio"."""

    metric: str
    max: float
    bound: str
    min_n: None = None
    power: None = None
    true_value: None = None

    @property
    def threshold(self) -> float:
        """See Limit."""
        return self.max

    @property
    def end(self) -> str:
        """See Limit."""
        return "high" if self.bound == "pessimistic" else "value"


def measure_places(policy: Policy, comparison: Comparison) -> Iterator[Place]:
    """For each limit on a measure, what it is held against. Raises ConfigError for a suite's limit."""
    for column, limit in policy.measures.items():
        refuse_suite(limit.task, limit.suite)
        yield _of_comparison(column, limit, comparison)


def suite_measure_places(policy: Policy, suite: SuiteComparison) -> Iterator[Place]:
    """The same of each task that a limit fits, or of the mean over tasks. Raises ConfigError for a limit that says
    neither, or fits no task."""
    for column, limit in policy.measures.items():
        if limit.suite is not None:
            yield _of_suite(column, limit, suite)
            continue
        for task in chosen_tasks(limit, column, suite):
            yield _of_comparison(column, limit, task)._replace(where=in_task(task.name), task=task.name, is_part=True)


def _of_comparison(column: str, limit: MeasureLimit, comparison: Comparison) -> Place:
    measure = next(each for each in comparison.measures if each.column == column)
    return _place(column, limit, measure.models[0], measure.n, comparison.clusters)


def _of_suite(column: str, limit: MeasureLimit, suite: SuiteComparison) -> Place:
    account = suite.macro if limit.suite == "macro" else suite.pooled
    measure = next(each for each in account.measures if each.column == column)
    place = _place(column, limit, measure, measure.n, account.clusters)
    return place._replace(where=over_all(str(limit.suite)))


def _place(
    column: str, limit: MeasureLimit, found: ModelMeasure | MeasureAcross, n: int, clusters: Grouping | None
) -> Place:
    return Place(
        RatioLimit(f"{column} {limit.metric}", limit.most, limit.bound),
        getattr(found, limit.metric),
        n,
        None,
        n if clusters is None else clusters.count,
        unit="samples" if clusters is None else UNIT_OF_CLUSTERS,
        undefined="a mean of old, or a value, is 0",
    )
