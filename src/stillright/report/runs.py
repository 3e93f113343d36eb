"""What several runs of a model tell: which items changed reliably, pass^k and pass@k."""

from __future__ import annotations

from collections.abc import Iterator

from stillright.comparison import Comparison
from stillright.comparison.reliable import Reliable, Reliably
from stillright.report import words
from stillright.report.page import Block, Lines, Section, Table, Terms

MEANING = (
    "one-sided Fisher test of each item's runs, adjusted for all that could be named (Benjamini-Hochberg): 5 % of them "
    "are chance at most"
)
ATTEMPTS = {
    "pass_hat_k": ("pass^{k}", "how often all of k attempts at an item are right"),
    "pass_at_k": ("pass@{k}", "how often at least one of k attempts at an item is right"),
}


def runs_sections(comparison: Comparison) -> Iterator[Section]:
    """Nothing where neither model has several runs, or results are scores."""
    found = comparison.reliable
    if found is not None:
        tables = [_items(comparison, found, part) for part in (found.lost, found.gained) if part.items]
        yield Section("Items that changed reliably", [Lines(reliable_lines(found)), *tables])
    if comparison.attempts:
        yield Section("Attempts", list(_attempts(comparison)))


def reliable_lines(found: Reliable) -> list[str]:
    """How many items changed reliably, and how many runs it takes to tell."""
    counts = f"{found.lost.count:,} lost reliably, {found.gained.count:,} gained"
    runs = f"{found.old_runs} and {found.new_runs} runs"
    single = f"from {found.least_runs} runs a model on a single item could be named"
    least = found.lost.least_items
    if least is None:
        return [f"{runs} are too few to name any item as lost, whatever they show: {single}."]
    tested = f"{found.lost.tested:,} items could be shown to be lost with {runs}"
    return [f"{counts} ({MEANING}).", f"{tested}, if at least {least:,} of them turned wholly; {single}."]


def _items(comparison: Comparison, found: Reliable, part: Reliably) -> Table:
    which = "lost" if part is found.lost else "gained"
    head = [
        f"{which}: {len(part.items)} of {part.count:,}",
        f"right, {comparison.old.name}",
        f"right, {comparison.new.name}",
        "p, adjusted",
    ]
    rows = [
        [
            each.id,
            f"{each.old_right} of {found.old_runs}",
            f"{each.new_right} of {found.new_runs}",
            words.bare_p(each.p_adjusted),
        ]
        for each in part.items
    ]
    return Table(head, rows)


def _attempts(comparison: Comparison) -> Iterator[Block]:
    sides = [comparison.attempts.get(place) for place in ("old", "new")]
    sizes = sorted({k for side in sides if side for k in side.pass_at_k})
    rows = [
        [label.format(k=k), *(words.percent(getattr(side, name).get(k)) if side else "" for side in sides)]
        for name, (label, _) in ATTEMPTS.items()
        for k in sizes
    ]
    yield Table(["", comparison.old.name, comparison.new.name], rows)
    yield Terms([(label.format(k="k"), meaning) for label, meaning in ATTEMPTS.values()], "What these mean")
