"""SuiteComparison -> Page: one table a task, one account over all. Knows no format."""

from __future__ import annotations

from collections.abc import Iterator

from stillright.comparison.across import Across
from stillright.comparison.suite import SuiteComparison, SuiteModel, TaskComparison
from stillright.report import words
from stillright.report.page import Block, Lines, Page, Section, Table, Terms
from stillright.report.pages import (
    MEASURE_HEAD,
    lost_answers,
    measure_cells,
    measures_table,
    origins,
    slices_table,
    verdict_page,
)
from stillright.stats import FEWEST, Estimate
from stillright.verdict import Verdict

SHOWN = 3  # tasks whose lost answers are shown: those that lose the largest share
NAMED = 10  # tasks named in a sentence
LEVEL = 0.05
MEANS = ("macro", "pooled")
RATES = ("nfr", "pfr", "nfr_mc")
TOO_FEW_CLUSTERS = (
    f"Too few: over all tasks there is no interval for fewer than {FEWEST} clusters, or where a task has one alone."
)
MACRO = "Macro: the mean over tasks, by their weights. Pooled: all samples alike."


def suite_page(suite: SuiteComparison) -> Page:
    """What an update and each candidate changed over all tasks, then each task."""
    return Page(_title(suite), [*_sentences(suite)], _note(suite), [*_sections(suite)])


def gate_suite_page(verdict: Verdict, suite: SuiteComparison) -> Page:
    """The verdict, and below it the suite that it judges."""
    page = verdict_page(verdict)
    below = Section(_title(suite), [Lines([*_sentences(suite), _note(suite)])])
    return page._replace(note="", sections=[*page.sections, below, *_sections(suite)])


def _title(suite: SuiteComparison) -> str:
    return f"suite of {len(suite.tasks):,} tasks: {suite.old} → {suite.new}"


def _sections(suite: SuiteComparison) -> Iterator[Section]:
    yield Section(f"Over all tasks, compared with {suite.old}", [_over_all(suite)])
    if suite.macro.measures:
        yield Section("What answers take over all tasks", [_measures(suite)])
    for a, model in enumerate(suite.models):
        yield Section(f"Tasks: {model.name}", [_tasks(suite, a)])
    for task in suite.tasks:
        if task.slices:
            yield Section(f"{task.name}: slices", [slices_table(task)])
        if task.measures:
            yield Section(f"{task.name}: what answers take", [measures_table(task)])
    losing = sorted(suite.tasks, key=lambda task: -(task.comparison.nfr.value or 0.0))
    for task in [task for task in losing if task.worst][:SHOWN]:
        yield Section(f"{task.name}: answers that {suite.new} lost", [lost_answers(task)])
    if sources := {name: each for task in suite.tasks for name, each in task.sources.items()}:
        yield Section("What answered", [Terms(origins(sources))])


def _over_all(suite: SuiteComparison) -> Block:
    """One column for each mean of each model."""
    unit = " (points)" if _are_fractions(suite) else ""
    accounts = [account for model in suite.models for account in (model.macro, model.pooled)]
    names = [f"{model.name}, {mean}" for model in suite.models for mean in MEANS]
    rows = [
        ["score of old", *(_score(suite, each.old_score) for each in accounts)],
        ["score", *(_score(suite, each.score) for each in accounts)],
        [f"change in score{unit}", *(_change(suite, each.delta_score).removesuffix(" points") for each in accounts)],
        *([words.METRICS[rate], *(words.percent(getattr(each, rate)) for each in accounts)] for rate in RATES),
        ["NFR, against new (points)", *(words.points(each.delta_nfr) for each in accounts)],
        ["samples, effective", *(f"{each.n:,.0f}" for each in accounts)],
    ]
    return Table(["", *names], [row for row in rows if set(row[1:]) != {words.DASH}])


def _measures(suite: SuiteComparison) -> Block:
    """One row for each numeric column, model and mean."""
    accounts = [(f"{model.name}, {mean}", getattr(model, mean)) for model in suite.models for mean in MEANS]
    rows = [
        [f"{measure.column}, {name}", *measure_cells(measure.n, measure.old_mean, measure)]
        for name, account in accounts
        for measure in account.measures
    ]
    return Table(MEASURE_HEAD, rows)


def _tasks(suite: SuiteComparison, a: int) -> Block:
    """One row a task; those of new by p, the smallest first."""
    weighed = len({task.weight for task in suite.tasks}) > 1
    tasks = sorted(suite.tasks, key=lambda task: (task.p is None, task.p))
    head = ["task", "n", "old", "new" if a == 0 else "candidate", "change", "lost", "gained", "NFR", "NFR_mc"]
    head += ["p, adjusted"] * (a == 0) + ["weight"] * weighed
    rows = [
        [
            *_row(task, a),
            *([words.bare_p(task.p_adjusted)] if a == 0 else []),
            *([words.percent(task.weight)] if weighed else []),
        ]
        for task in tasks
    ]
    return Table(head, rows)


def _row(task: TaskComparison, a: int) -> list[str]:
    _, flips = task.flips_by_model[a]
    scores = (task.old.score, task.models[a + 1].score)
    return [
        task.name,
        f"{task.n:,}",
        *(words.score(task, score) for score in scores),
        words.score_change(task, flips.delta_score).removesuffix(" points"),
        words.count(flips.regression),
        words.count(flips.gain),
        words.percent(flips.nfr),
        words.percent(flips.nfr_mc),
    ]


def _sentences(suite: SuiteComparison) -> Iterator[str]:
    yield _on_update(suite)
    yield _on_tasks(suite)
    yield from (_on_candidate(each, suite) for each in suite.candidates)


def _on_update(suite: SuiteComparison) -> str:
    macro, pooled, old = suite.macro, suite.pooled, suite.old
    below, above = ("better", "worse") if suite.lower_is_better else ("worse", "better")
    unclear = f"shows no clear difference from {old} in the mean over tasks"
    claims = (f"is {below} than {old} in the mean over tasks", f"is {above} than {old} in the mean over tasks", unclear)
    said = words.claim(macro.delta_score, None, *claims)
    tested = "" if suite.joint_p is None else f", {words.p_value(suite.joint_p)} in one test over all tasks"
    changes = f"score {_change(suite, macro.delta_score)} macro, {_change(suite, pooled.delta_score)} pooled{tested}"
    if macro.delta_score.value is None:
        changes = f"their scores have no common scale{tested}"
    return f"{suite.new} {said}: {changes}; {_losses(macro, pooled)}."


def _losses(macro: Across, pooled: Across) -> str:
    return f"it loses {words.percent(macro.nfr)} of answers macro (NFR), {words.percent(pooled.nfr)} pooled"


def _on_tasks(suite: SuiteComparison) -> str:
    """Which tasks changed clearly, after adjusting for their number."""
    clear = [task for task in suite.tasks if task.p_adjusted is not None and task.p_adjusted < LEVEL]
    worse = [task.name for task in clear if task.comparison.regression > task.comparison.gain]
    better = [task.name for task in clear if task.comparison.regression < task.comparison.gain]
    return (
        f"Of {len(suite.tasks):,} tasks, {_named(worse, 'worse')} and {_named(better, 'better')} (p < {LEVEL}, Holm)."
    )


def _named(names: list[str], how: str) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    named = f" ({', '.join(names[:NAMED])}{more})" if names else ""
    return f"{len(names):,} got clearly {how}{named}"


def _on_candidate(candidate: SuiteModel, suite: SuiteComparison) -> str:
    macro, pooled, new = candidate.macro, candidate.pooled, suite.new
    unclear = f"shows no clear change in lost answers against {new}"
    said = words.claim(
        macro.delta_nfr, None, f"loses fewer answers than {new}", f"loses more answers than {new}", unclear
    )
    deltas = f"NFR {words.points(macro.delta_nfr)} points macro, {words.points(pooled.delta_nfr)} pooled"
    return f"{candidate.name} {said}: {deltas}; {_losses(macro, pooled)}."


def _note(suite: SuiteComparison) -> str:
    n, unscored = (sum(getattr(task, name) for task in suite.tasks) for name in ("n", "unscored"))
    missing = sum(task.missing for task in suite.tasks if task.on_missing == "drop")
    wrong = sum(task.counted_wrong for task in suite.tasks)
    left_out = [(unscored, "unscored"), (missing, "missing in some file, dropped"), (wrong, "counted as wrong")]
    counts = [f"n = {n:,} in {len(suite.tasks):,} tasks", *(f"{count:,} {what}" for count, what in left_out if count)]
    intervals = "Intervals are 95 %, of differences paired, and keep tasks as strata."
    aside = [task.name for task in suite.tasks if not task.weight]
    apart = f"No part of the account over all: {', '.join(aside)}." if aside else ""
    parts = [f"{', '.join(counts)}.", MACRO, intervals, _clusters(suite), apart, words.allowed(suite.differences)]
    return " ".join(filter(None, parts))


def _clusters(suite: SuiteComparison) -> str:
    """Which samples belong together, and what is assumed of tasks that name clusters alike."""
    found = suite.pooled.clusters
    if found is None:
        return ""
    among = words.grouping(found, f"{suite.tasks[0].cluster} over all tasks")
    few = "" if suite.pooled.nfr.low is not None else TOO_FEW_CLUSTERS
    return " ".join(filter(None, [among, _assumed(suite), few]))


def _assumed(suite: SuiteComparison) -> str:
    """What is made of a cluster's name that several tasks have."""
    if suite.shared_clusters:
        return "A name in several tasks is one cluster."
    if not suite.recurring_clusters:
        return ""
    names = f"{suite.recurring_clusters:,} names of clusters are in several tasks"
    return f"{names}, and taken for a cluster of each; if they are one, say shared_clusters: true in suite.yaml."


def _are_fractions(suite: SuiteComparison) -> bool:
    return all(words.are_fractions(task) for task in suite.tasks if task.weight)


def _score(suite: SuiteComparison, estimate: Estimate) -> str:
    scale, unit = (100, " %") if _are_fractions(suite) else (1, "")
    return words.DASH if estimate.value is None else estimate.shown("", scale, unit)


def _change(suite: SuiteComparison, estimate: Estimate) -> str:
    if estimate.value is None:
        return words.DASH
    return f"{words.points(estimate)} points" if _are_fractions(suite) else estimate.shown("+")
