"""gate_suite(): all rules of a policy on the tasks of a suite, and on the account over all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Unpack

from stillright.comparison.comparison import Compared
from stillright.comparison.models import Settings
from stillright.comparison.suite import ComparedSuite, OfTasks, SuiteComparison, read_and_compare_suite
from stillright.config import Policy
from stillright.config.suite import Suite
from stillright.errors import ConfigError, NothingScored, one_line
from stillright.importers.selection import listed
from stillright.verdict.check import Check
from stillright.verdict.limits import limit_checks
from stillright.verdict.measures import suite_measure_places
from stillright.verdict.must_pass import must_pass_check
from stillright.verdict.nothing_right import nothing_right_checks
from stillright.verdict.places import in_task, suite_places
from stillright.verdict.verdict import Verdict, left_out, refuse_limit


class GatedSuite(NamedTuple):
    """The verdict, and the suite that it judges; None if of some task no sample is scored in every file."""

    verdict: Verdict
    comparison: SuiteComparison | None


def gate_suite(
    old: OfTasks,
    new: OfTasks,
    policy: Policy,
    *,
    suite: Suite | None = None,
    old_runs: Sequence[OfTasks] = (),
    new_runs: Sequence[OfTasks] = (),
    **settings: Unpack[Settings],
) -> GatedSuite:
    """The verdict of `policy` on the update from `old` to `new` in several tasks; other arguments: compare_suite().

    Raises what compare_suite() raises, and ConfigError for a task, a slice, an id or a metric that the results do not
    have, and for a limit that does not say of which task, or of what over all.
    """
    settings = {**settings, "measures": [*settings.get("measures", ()), *policy.measures]}
    try:
        compared = read_and_compare_suite([old, new], suite, policy.columns, old_runs, new_runs, **settings)
    except NothingScored as error:
        return GatedSuite(Verdict.of_one("scored", "cannot tell", one_line(error)), None)
    found = compared.comparison
    places = [place for limit in policy.limits for place in suite_places(limit, found)]
    places += suite_measure_places(policy, found)
    for limit in policy.limits:
        for task in found.tasks:
            if limit.fits(task.name) or (limit.suite is not None and task.weight):
                refuse_limit(limit, task, f"those of {task.name}")
    checks = [_unscored_check(policy, found), *_nothing_right(compared), *limit_checks(policy, places)]
    checks += _must_pass(policy, compared)
    return GatedSuite(Verdict.of(checks, found.differences), found)


def _unscored_check(policy: Policy, suite: SuiteComparison) -> Check:
    """Whether every task scores enough of its samples."""
    over = [task for task in suite.tasks if left_out(task) > policy.max_unscored * (task.n + left_out(task))]
    named = listed([f"{task.name}: {left_out(task):,} of {task.n + left_out(task):,}" for task in over])
    reason = f"too many samples are unscored or missing in {len(over):,} of {len(suite.tasks):,} tasks: {named}"
    return Check(
        name=f"unscored <= {policy.max_unscored:g} in every task",
        rule="unscored",
        outcome="cannot tell" if over else "pass",
        reason=reason if over else f"in all {len(suite.tasks):,} tasks",
    )


def _nothing_right(compared: ComparedSuite) -> Iterator[Check]:
    for task, (comparison, models) in _tasks(compared):
        for check in nothing_right_checks(comparison, *models[:2]):
            yield check.model_copy(update={"name": f"{check.name}{in_task(task)}", "task": task})


def _must_pass(policy: Policy, compared: ComparedSuite) -> Iterator[Check]:
    """A check for each task of which ids, TASK/ID, must pass. Raises ConfigError for ids of no task."""
    names = sorted((task.name for task in compared.comparison.tasks), key=len, reverse=True)
    homes = {
        sample: next((name for name in names if sample.startswith(f"{name}/")), None) for sample in policy.must_pass
    }
    homeless = [sample for sample, home in homes.items() if home is None]
    if homeless:
        raise ConfigError(f"policy: must_pass names ids of no task: {listed(homeless)}; in a suite write TASK/ID")
    for task, (comparison, models) in _tasks(compared):
        ids = tuple(sample.removeprefix(f"{task}/") for sample, home in homes.items() if home == task)
        if ids:
            of_task = policy.model_copy(update={"must_pass": ids})
            check = must_pass_check(of_task, comparison, *models[:2])
            yield check.model_copy(update={"name": f"{check.name}{in_task(task)}", "task": task})


def _tasks(compared: ComparedSuite) -> Iterator[tuple[str, Compared]]:
    names = (task.name for task in compared.comparison.tasks)
    return zip(names, compared.tasks, strict=True)
