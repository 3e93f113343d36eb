"""Plan -> Page: what a limit needs, and what the samples at hand could have shown."""

from __future__ import annotations

from collections.abc import Iterator

from stillright.planning import Needed, Plan
from stillright.power import MOST
from stillright.report.page import Page, Section, Table
from stillright.report.words import DASH, percent

ABOUT = (
    "Of 95 % intervals: at what true NFR the interval of NFR ends below the limit, or begins above it, and how often."
)


def plan_page(plan: Plan) -> Page:
    """A sentence on what the samples could have shown, and a table of what is needed."""
    title = f"plan: NFR <= {percent(plan.limit)}, power {percent(plan.power)}"
    rows = [
        *(_row(plan, each, "kept") for each in plan.below),
        *(_row(plan, each, "broken") for each in plan.above),
    ]
    clusters = ["clusters"] if plan.clusters is not None else []
    head = ["true NFR", "is shown to be", "samples needed", *clusters, f"with these {plan.n:,}"]
    sections = [Section("What it takes", [Table(head, rows), *_change(plan, clusters)])]
    return Page(title, list(_could(plan)), " ".join([ABOUT, *_based_on(plan)]), sections)


def _row(plan: Plan, each: Needed, shown: str) -> list[str]:
    return [percent(each.true_value), f"limit {shown}", *_takes(plan, each)]


def _takes(plan: Plan, each: Needed) -> list[str]:
    samples = f"more than {MOST:,}" if each.samples is None else f"{each.samples:,}"
    clusters = [] if plan.clusters is None else [DASH if each.clusters is None else f"{each.clusters:,}"]
    return [samples, *clusters, percent(each.seen)]


def _change(plan: Plan, clusters: list[str]) -> Iterator[Table]:
    if plan.change is not None:
        head = ["true change of score", "samples needed", *clusters, f"with these {plan.n:,}"]
        yield Table(head, [[f"{plan.change.true_value:+g}", *_takes(plan, plan.change)]])


def _could(plan: Plan) -> Iterator[str]:
    """What the samples at hand could have shown."""
    kept, broken = plan.keeps_up_to, plan.breaks_from
    often, n = f"with {percent(plan.power)} power", f"{plan.n:,} samples"
    yield (
        f"{n} would not show the limit kept {often}, not even by an update that loses nothing."
        if kept is None
        else f"{n} would show the limit kept {often} up to a true NFR of {percent(kept)}."
    )
    if broken is not None:
        yield f"They would show it broken from a true NFR of {percent(broken)} on."
    yield f"They would hold some lost answer {often} from a true NFR of {percent(plan.shown_from)} on."
    yield f"To name single items that regressed takes {plan.least_runs} runs of each model."


def _based_on(plan: Plan) -> Iterator[str]:
    yield f"Baseline: {plan.baseline}, n = {plan.n:,}, score {plan.score:.4g}."
    if plan.expected is not None:
        yield f"NFR of {plan.new}: {percent(plan.expected)}."
    if plan.noise is not None:
        yield f"Noise floor, the NFR of the baseline against its own reruns: {percent(plan.noise)}."
    if plan.clusters is not None:
        yield f"{plan.clusters:,} clusters, design effect {plan.design_effect:.2f}."
    if round(plan.worth) != plan.n:
        yield f"These samples tell as much as {plan.worth:,.0f} independent answers."
