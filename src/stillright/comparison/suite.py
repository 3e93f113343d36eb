"""compare_suite(): several tasks, and metrics, at once: a comparison of each, and one account over all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Unpack

import polars as pl
from pydantic import BaseModel

from stillright.comparison.across import Across, Tasks, joint_p, macro, pooled
from stillright.comparison.clustered_strata import Numbers, TaskClusters, cluster_numbers
from stillright.comparison.comparison import Compared, Comparison, read_and_compare
from stillright.comparison.measures import measured_values
from stillright.comparison.measures_across import MeasuredTasks
from stillright.comparison.models import Options, Results, Settings
from stillright.comparison.settings import ComparisonSettings
from stillright.config.suite import Suite
from stillright.errors import ConfigError, DataError, one_line, spelled
from stillright.importers import Selection
from stillright.importers.selection import listed
from stillright.importers.tasks import read_tasks
from stillright.significance import holm_of_known

OfTasks = Results | Mapping[str, Results]


class TaskComparison(Comparison):
    """One task of a suite: the contract of one comparison, and its place among the others.

    weight: its share in the macro mean, 0 where it is no part of the account over all. p: of the update (McNemar, or
    the sign test for continuous results); p_adjusted: among all tasks.
    """

    name: str
    weight: float
    p: float | None
    p_adjusted: float | None

    @classmethod
    def of(cls, comparison: Comparison, **more: Any) -> TaskComparison:
        """The comparison of one task, with what the suite adds."""
        task = cls(**dict(comparison), **more)
        task._samples = comparison._samples
        return task

    def flips(self, *quadrants: str) -> pl.DataFrame:
        """See Comparison.flips(); a sample's task is the name that the suite gives it."""
        return self.sampled().table(self.name, quadrants)


class SuiteModel(BaseModel, frozen=True):
    """What one model changed over all tasks: macro (tasks by their weights), pooled (all samples alike).

    joint_p: one test over all tasks; null with several runs.
    """

    name: str
    macro: Across
    pooled: Across
    joint_p: float | None


class SuiteComparison(BaseModel, frozen=True):
    """The whole account of one update over several tasks. macro, pooled, joint_p: of new.

    shared_clusters: whether clusters with one name in several tasks are one; else each task has its own.
    recurring_clusters: how many names of clusters are in several tasks.
    """

    old: str
    new: str
    tasks: tuple[TaskComparison, ...]
    macro: Across
    pooled: Across
    joint_p: float | None
    candidates: tuple[SuiteModel, ...] = ()
    adjustment: Literal["holm"] = "holm"  # of the p-values of tasks
    shared_clusters: bool = False
    recurring_clusters: int = 0

    @property
    def models(self) -> list[SuiteModel]:
        """New and the candidates."""
        return [SuiteModel(name=self.new, macro=self.macro, pooled=self.pooled, joint_p=self.joint_p), *self.candidates]

    @property
    def lower_is_better(self) -> bool:
        """The direction of the scores in the account over all, which has scores only where all tasks share it."""
        return any(task.lower_is_better for task in self.tasks if task.weight)

    @property
    def differences(self) -> tuple[str, ...]:
        """What differs between the files of some task and was allowed, with the task's name."""
        return tuple(f"{task.name}: {each}" for task in self.tasks for each in task.differences)

    def to_json(self) -> str:
        """The contract that other programs read (docs/metrics.md)."""
        return self.model_dump_json(indent=2) + "\n"

    def flips(self, *quadrants: str) -> pl.DataFrame:
        """Every sample of every task, see Comparison.flips(); `task` is the name of the task."""
        tables = [task.flips(*quadrants) for task in self.tasks]
        return pl.concat(tables, how="diagonal")


class ComparedSuite(NamedTuple):
    """A suite, and for each task what was compared."""

    comparison: SuiteComparison
    tasks: list[Compared]


def compare_suite(
    old: OfTasks,
    new: OfTasks,
    candidates: Sequence[OfTasks] = (),
    *,
    suite: Suite | None = None,
    slices: Sequence[str] = (),
    old_runs: Sequence[OfTasks] = (),
    new_runs: Sequence[OfTasks] = (),
    **settings: Unpack[Settings],
) -> SuiteComparison:
    """What the update from `old` to `new` changed in each of several tasks, and over all.

    old, new, candidates: folders of logs of lm-evaluation-harness or Inspect, or mappings from names of tasks to what
    compare() takes. suite: the tasks, where their files are, metrics and weights; without it all tasks of the folders
    (selection.task: those that fit, or of a group), equally weighted. old_runs, new_runs: further runs of a model, in
    the same forms. Settings are those of compare(). Raises what compare() raises, and DataError if a side lacks a task.
    """
    models = [old, new, *candidates]
    return read_and_compare_suite(models, suite, slices, old_runs, new_runs, **settings).comparison


def read_and_compare_suite(
    models: Sequence[OfTasks],
    suite: Suite | None,
    slices: Sequence[str],
    old_runs: Sequence[OfTasks] = (),
    new_runs: Sequence[OfTasks] = (),
    **settings: Unpack[Settings],
) -> ComparedSuite:
    """compare_suite() of old, new and candidates, with what it read of each task."""
    reading = ComparisonSettings(slices, **settings).reading
    sides, olds, news = ([_tasks_of(each, suite, reading) for each in given] for given in (models, old_runs, new_runs))
    names = [*sides[0]] if suite is None else [member.name for member in suite.members]
    _refuse_other_tasks(names, dict(zip(_places(sides), sides, strict=True)))
    _refuse_other_tasks(names, {f"run {i} of old": run for i, run in enumerate(olds, start=2)})
    _refuse_other_tasks(names, {f"run {i} of new": run for i, run in enumerate(news, start=2)})
    settings["selection"] = replace(reading, task=None)
    tasks = [
        _compared(
            name,
            [side[name] for side in sides],
            slices,
            {**settings, "old_runs": [run[name] for run in olds], "new_runs": [run[name] for run in news]},
        )
        for name in names
    ]
    weights = [1.0 for _ in names] if suite is None else [member.weight for member in suite.members]
    shared = suite is not None and suite.shared_clusters
    return ComparedSuite(_suite(names, weights, [task.comparison for task in tasks], shared), tasks)


def _tasks_of(given: OfTasks, suite: Suite | None, selection: Selection) -> Mapping[str, Results]:
    if isinstance(given, Mapping):
        return given
    if not isinstance(given, str | Path):
        raise ConfigError(f"a {type(given).__name__} is of one task; give a folder, or a mapping from tasks to results")
    return read_tasks(Path(given), suite, selection)


def _places(models: Sequence[object]) -> list[str]:
    return ["old", "new", *(f"candidate {i}" for i in range(1, len(models) - 1))]


def _refuse_other_tasks(names: Sequence[str], sides: Mapping[str, Mapping[str, Results]]) -> None:
    """Raises DataError if there are no tasks, or some side has others than `names`: none is left out silently."""
    if not names:
        raise DataError("old has no tasks; give a folder of logs, or a mapping from names of tasks to results")
    if odd := [name for name in names if not isinstance(name, str)]:
        raise DataError(f"old: the name of a task is a text, and {odd[0]!r} is none")
    for place, tasks in sides.items():
        lacking, further = (
            [each for each in some if each not in other] for some, other in ((names, tasks), (tasks, names))
        )
        if lacking or further:
            what = f"lacks {listed(lacking)}" if lacking else f"also has {listed(further)}"
            fix = spelled(command="--task PATTERN", python="selection=Selection(task=PATTERN)")
            raise DataError(
                f"{place} {what}; all must have the same tasks: choose some with {fix}, or name them in a suite.yaml"
            )


def _compared(name: str, models: Sequence[Results], slices: Sequence[str], options: Options) -> Compared:
    """One task. Raises what compare() raises, naming the task."""
    try:
        return read_and_compare(models[0], models[1], models[2:], slices, **options)
    except (DataError, ConfigError) as error:
        raise type(error)(f"{name}: {one_line(error)}") from None


def _suite(
    names: Sequence[str], weights: Sequence[float], comparisons: Sequence[Comparison], shared_clusters: bool
) -> SuiteComparison:
    shares = [weight / sum(weights) for weight in weights]
    counting = [i for i, share in enumerate(shares) if share]
    of_all = _tasks([comparisons[i] for i in counting], [shares[i] for i in counting], shared_clusters)
    places = range(1, len(comparisons[0].models))
    labels = _labels(comparisons)
    accounts = [
        SuiteModel(name=labels[a], macro=macro(of_all, a), pooled=pooled(of_all, a), joint_p=joint_p(of_all, a))
        for a in places
    ]
    new = accounts[0]
    return SuiteComparison(
        old=labels[0],
        new=new.name,
        tasks=_with_p(names, shares, comparisons),
        macro=new.macro,
        pooled=new.pooled,
        joint_p=new.joint_p,
        candidates=tuple(accounts[1:]),
        shared_clusters=shared_clusters,
        recurring_clusters=_recurring_clusters(comparisons),
    )


def _tasks(comparisons: Sequence[Comparison], shares: Sequence[float], shared_clusters: bool) -> Tasks:
    """What the account over all is made of. shares: of the macro mean, all above 0."""
    samples = [each.sampled() for each in comparisons]
    numbers = cluster_numbers([each.cluster_names for each in samples], shared_clusters)

    def clusters(rows: Sequence[Numbers | None]) -> TaskClusters | None:
        """rows: of each task, the cluster of each row by its number there."""
        known = [own[each] for own, each in zip(numbers, rows, strict=True) if each is not None]
        return TaskClusters.of(known, shared_clusters) if known else None

    tallies = [each.tally() for each in samples]
    measures = {}
    for column in (measure.column for measure in comparisons[0].measures):
        values = [measured_values(column, each.models) for each in samples]
        measures[column] = MeasuredTasks(
            values, clusters([each.codes(found.known) for each, found in zip(samples, values, strict=True)])
        )
    of_rows = clusters([None if each.clusters is None else each.clusters.codes for each in tallies])
    return Tasks(comparisons, tallies, shares, of_rows, measures)


def _recurring_clusters(comparisons: Sequence[Comparison]) -> int:
    tasks = Counter(name for each in comparisons for name in each.sampled().cluster_names)
    return sum(count > 1 for count in tasks.values())


def _labels(comparisons: Sequence[Comparison]) -> list[str]:
    """A name for each model: the one that it has in all tasks, else its place."""
    names = [{each.models[a].name for each in comparisons} for a in range(len(comparisons[0].models))]
    return [found.pop() if len(found) == 1 else place for found, place in zip(names, _places(names), strict=True)]


def _with_p(
    names: Sequence[str], shares: Sequence[float], comparisons: Sequence[Comparison]
) -> tuple[TaskComparison, ...]:
    """The tasks with p-values adjusted for each other (Holm)."""
    ps = [each.comparison.p for each in comparisons]
    known = zip(names, shares, comparisons, ps, holm_of_known(ps), strict=True)
    return tuple(
        TaskComparison.of(each, name=name, weight=share, p=p, p_adjusted=adjusted)
        for name, share, each, p, adjusted in known
    )
