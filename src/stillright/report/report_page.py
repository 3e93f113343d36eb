"""Comparison, and a verdict if there is one -> the Page of report.html: the whole account, verdict first, to explore.

The same words and tables as pages.py gives to a terminal and to Markdown, in the order of a page that can fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stillright.comparison import Comparison
from stillright.errors import ConfigError
from stillright.report.explorer import explorer
from stillright.report.made import Origin, how_made
from stillright.report.margins import margins_chart
from stillright.report.page import Block, Checks, Lines, Page, Section, Terms
from stillright.report.pages import comparison_page, likeness, lost_answers, measured, metrics, origins, verdict_page
from stillright.report.pictures import flows, headline, plane, score_chart, slice_sections
from stillright.verdict import Verdict

FAILING_FIRST = ("error", "fail", "cannot tell", "pass")


def report_page(comparison: Comparison, origin: Origin, further: Sequence[Section] = ()) -> Page:
    """What compare and run write. further: sections that follow those on all samples."""
    page = comparison_page(comparison)
    sections = [Section("", [headline(comparison), Lines([page.note])]), *_sections(comparison, origin, further)]
    return page._replace(note="", sections=sections)


def gate_report_page(verdict: Verdict, comparison: Comparison | None, origin: Origin) -> Page:
    """The outcome and what decided it, then the comparison that it judges, if there is one."""
    page = verdict_page(verdict)
    if comparison is None:
        return page
    ranked = sorted(verdict.checks, key=lambda check: FAILING_FIRST.index(check.outcome))
    checks = Checks([(check.name, check.outcome, check.reason) for check in ranked])
    compared = report_page(comparison, origin)
    first, *others = compared.sections
    below = Section(compared.title, [Lines(compared.summary), *first.blocks])
    return page._replace(note="", sections=[Section("", [checks]), below, *others])


def _sections(comparison: Comparison, origin: Origin, further: Sequence[Section]) -> Iterator[Section]:
    yield Section(f"What became of {comparison.old.name}'s answers", [flows(comparison)])
    if comparison.candidates:
        yield Section("Score and lost answers", [plane(comparison)])
    yield from slice_sections(comparison)
    yield from margins_chart(comparison)
    yield from _of_samples(comparison)
    yield Section(f"Answers that {comparison.new.name} lost", [lost_answers(comparison)], folded=True)
    yield Section("All metrics", metrics(comparison), folded=True)
    yield from measured(comparison)
    yield from (section._replace(folded=True) for section in likeness(comparison))
    yield from further
    yield Section("How it was made", [Terms([*origins(comparison.sources), *how_made(comparison, origin)])])


def _of_samples(comparison: Comparison) -> Iterator[Section]:
    """What needs single samples, and why it is not there, as for scores of several runs."""
    try:
        samples = comparison.flips()
    except ConfigError as error:
        yield Section("Every sample", [Lines([f"Samples are not listed. {error}"])])
        return
    if comparison.kind == "continuous":
        yield Section("Gains and losses over the score", [score_chart(samples, comparison)])
    block: Block = explorer(comparison, samples)
    yield Section("Every sample", [block])
