"""What a limit is held against: the metric of all samples, of a slice, of a task of a suite, or over all its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from stillright.comparison import Comparison, Slice
from stillright.comparison.across import Across
from stillright.comparison.suite import SuiteComparison, TaskComparison
from stillright.config import Limit
from stillright.config.measures import MeasureLimit, fits
from stillright.errors import ConfigError
from stillright.importers.selection import listed
from stillright.stats import Estimate

UNIT_OF_CLUSTERS = "clusters at most"


class Bound(Protocol):
    """What is asked of a limit: see Limit, and RatioLimit in measures.py."""

    @property
    def metric(self) -> str: ...
    @property
    def max(self) -> float | None: ...
    @property
    def bound(self) -> str: ...
    @property
    def min_n(self) -> int | None: ...
    @property
    def power(self) -> float | None: ...
    @property
    def threshold(self) -> float: ...
    @property
    def end(self) -> str: ...
    @property
    def true_value(self) -> float | None: ...


class Place(NamedTuple):
    """A limit, and the numbers that it is held against.

    n: samples. whole: how many the metric is a share of, None if it is no share, or a mean over several runs or of
    clusters. resting: of how many it is a mean, unit: of what. where: " where COLUMN = VALUE" of a slice, " in TASK",
    ", macro", or empty. is_part: whether it is of a slice or a task, one of many. hint: what a reader may look at.
    undefined: why there may be no estimate.
    """

    limit: Bound
    estimate: Estimate | None
    n: int
    whole: int | None
    resting: float
    where: str = ""
    task: str | None = None
    is_part: bool = False
    hint: str = ""
    unit: str = "samples"
    undefined: str = ""


def in_task(task: str) -> str:
    """How the name of a rule says that it is of one task of a suite."""
    return f" in {task}"


def over_all(mean: str) -> str:
    """How it says that it is of a mean over all tasks."""
    return f", {mean}"


def _in_slice(part: Slice) -> str:
    return f" where {part.column} = {part.value}"


def refuse_suite(task: str | None, suite: str | None) -> None:
    """Raises ConfigError for the keys of a limit that say of what in a suite it is, where there is none."""
    if suite is not None or task is not None:
        named = f"suite: {suite}" if suite else f"task: {task}"
        raise ConfigError(f"policy: {named}: these results are of one task, and no suite; leave it out")


def chosen_tasks(limit: Limit | MeasureLimit, of: str, suite: SuiteComparison) -> list[TaskComparison]:
    """The tasks that a limit fits. of: what it limits. Raises ConfigError for one that names none, or fits none."""
    if limit.task is None:
        raise ConfigError(
            f"policy: of what is the limit on {of}? In a suite say task: NAME ('*' for each), or suite: macro or pooled"
        )
    tasks = [task for task in suite.tasks if fits(limit.task, task.name)]
    if not tasks:
        raise ConfigError(
            f"policy: no task fits {limit.task!r}; there are: {listed([each.name for each in suite.tasks])}"
        )
    return tasks


def places(limit: Limit, comparison: Comparison) -> Iterator[Place]:
    """All samples, or each slice that the limit is of. Raises ConfigError for an empty slice, or a suite's limit."""
    refuse_suite(limit.task, limit.suite)
    yield from _places(limit, comparison)


def suite_places(limit: Limit, suite: SuiteComparison) -> Iterator[Place]:
    """Each task that the limit fits, or its slices, or the mean over tasks. Raises ConfigError for a limit that says
    neither, or fits no task."""
    if limit.suite is not None:
        yield _across(limit, suite.macro if limit.suite == "macro" else suite.pooled, suite)
        return
    for task in chosen_tasks(limit, limit.metric, suite):
        yield from _places(limit, task)


def _places(limit: Limit, comparison: Comparison) -> Iterator[Place]:
    task = comparison.name if isinstance(comparison, TaskComparison) else None
    within = "" if task is None else in_task(task)
    if limit.slice is None:
        yield _place(limit, comparison, comparison, within, task, is_part=task is not None)
        return
    slices = [part for part in comparison.slices if limit.covers(part.column, part.value)]
    if not slices:
        known = ", ".join(f"{part.column}={part.value}" for part in comparison.slices if part.column == limit.column)
        raise ConfigError(f"policy: no sample{within} is in the slice {limit.slice!r}; there are: {known or 'none'}")
    for part in slices:
        yield _place(limit, part, comparison, within + _in_slice(part), task, is_part=True)


def _place(
    limit: Limit, account: Comparison | Slice, comparison: Comparison, where: str, task: str | None, is_part: bool
) -> Place:
    flips, clusters = account.comparison, account.clusters
    changed = {"mean_gain": flips.gain, "mean_regression": flips.regression}
    return Place(
        limit,
        _estimate(limit.metric, account, comparison),
        account.n,
        _whole(limit.metric, account),
        changed.get(limit.metric, account.n) if clusters is None else clusters.count,
        where,
        task,
        is_part,
        f"; sample {comparison.worst[0].id!r}" if limit.metric == "largest_drop" and comparison.worst else "",
        "samples" if clusters is None else UNIT_OF_CLUSTERS,
        "it needs reruns of old or new" if limit.metric == "nfr_above_noise" else "",
    )


def _estimate(metric: str, account: Comparison | Slice, comparison: Comparison) -> Estimate | None:
    worst = comparison.worst
    further = {
        "score": account.new.score_interval,
        "score_loss": score_loss(account.comparison.delta_score, bool(comparison.lower_is_better)),
        "largest_drop": Estimate(worst[0].drop if worst else 0.0, None, None),
        "nfr_above_noise": account.nfr_above_noise,
    }
    return further[metric] if metric in further else getattr(account.comparison, metric)


def score_loss(delta: Estimate, lower_is_better: bool) -> Estimate:
    """How much worse the score got."""
    if lower_is_better or delta.value is None:
        return delta
    ends = (None, None) if delta.low is None or delta.high is None else (-delta.high, -delta.low)
    return Estimate(-delta.value, *ends)


def _across(limit: Limit, account: Across, suite: SuiteComparison) -> Place:
    further = {"score_loss": score_loss(account.delta_score, suite.lower_is_better)}
    estimate = further[limit.metric] if limit.metric in further else getattr(account, limit.metric)
    n = round(account.n)
    where, clusters = over_all(str(limit.suite)), account.clusters
    if clusters is not None:
        return Place(limit, estimate, n, None, clusters.count, where, unit=UNIT_OF_CLUSTERS)
    is_share = limit.metric in ("nfr", "pfr", "nfr_mc")
    return Place(limit, estimate, n, n if is_share else None, n, where)


def _whole(metric: str, account: Comparison | Slice) -> int | None:
    flips, n = account.comparison, account.n
    lost, kept, wrong = flips.regression, flips.both_right, flips.both_wrong
    if not isinstance(lost, int) or account.clusters is not None:
        return None
    wholes = {"nfr": n, "pfr": n}
    if isinstance(kept, int) and isinstance(wrong, int):  # right or wrong answers
        of_old, of_new = {"nfr_of_old_right": kept + lost, "btc": kept + lost}, {"nfi": wrong + lost}
        wholes |= {"score": n, "nfr_mc": n, **of_old, **of_new}
    return wholes.get(metric)
