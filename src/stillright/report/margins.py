"""Near-ties -> their section: how sure old was of the answers that new and candidates lost, as a table or drawn."""

from __future__ import annotations

from collections.abc import Iterator

from stillright.comparison import Comparison
from stillright.comparison.margins import MarginBin, Margins
from stillright.report import words
from stillright.report.page import Chart, Charted, Lines, Section, Table, Whiskers
from stillright.stats import Estimate

TITLE = "NFR by old's margin"
MEANING = "Margin: how far the right choice is ahead of the best other one, as the metric ranks them."


def margins_table(comparison: Comparison) -> list[Section]:
    """Sentences, and a row for each bin of margins; empty where no margin is known."""
    if comparison.margins is None:
        return []
    rows = [_cells(each) for each in comparison.margins.bins]
    return [Section(TITLE, [Lines(_sentences(comparison, comparison.margins)), Table(_head(comparison), rows)])]


def margins_chart(comparison: Comparison) -> list[Section]:
    """The same, with the intervals of new above those of the candidates beside each row."""
    if comparison.margins is None:
        return []
    rows = [Charted(_cells(each), Whiskers(_rates(each))) for each in comparison.margins.bins]
    first, *others = _head(comparison)
    chart = Chart([first, "share lost, 95 %", *others], rows, "From the closest calls to the surest answers.")
    return [Section(TITLE, [Lines(_sentences(comparison, comparison.margins)), chart])]


def _head(comparison: Comparison) -> list[str]:
    names = [name for name, _ in comparison.flips_by_model]
    lost, shares = ([f"{what}, {name}" for name in names] for what in ("lost (up to here)", "share lost"))
    return ["margin", "right in old", *lost, *shares]


def _cells(each: MarginBin) -> list[str]:
    losses = [each, *each.candidates]
    span = f"{each.low:.3g} to {each.high:.3g}"
    return [
        span,
        f"{each.n:,}",
        *(f"{loss.lost:,} ({loss.lost_up_to:,})" for loss in losses),
        *map(words.percent, _rates(each)),
    ]


def _rates(each: MarginBin) -> list[Estimate]:
    return [loss.nfr for loss in (each, *each.candidates)]


def _sentences(comparison: Comparison, margins: Margins) -> list[str]:
    new = comparison.new.name
    medians = {f"that {new} lost": margins.median_lost, f"that {new} kept": margins.median_kept}
    shown = [f"{size:.3g} of those {name}" for name, size in medians.items() if size is not None]
    unknown = f"Of {margins.unknown:,} right answers of old no margin is known." if margins.unknown else ""
    median = f"Median margin of old's right answers: {', '.join(shown)}."
    return [MEANING, *_near_ties(comparison, margins), median, *([unknown] if unknown else [])]


def _near_ties(comparison: Comparison, margins: Margins) -> Iterator[str]:
    """How many of the answers that each model lost were among old's closest; nothing if all are in one bin."""
    closest, *further = margins.bins
    names = [name for name, _ in comparison.flips_by_model]
    lost = zip(names, (margins.lost, *margins.lost_by), (closest, *closest.candidates), strict=True)
    for name, count, near in lost if further else ():
        if count:
            yield (
                f"Lost by {name}: {count:,}, of which {near.lost:,} had a margin of at most {closest.high:.3g}, as "
                f"have {closest.n:,} of old's {margins.n:,} right answers."
            )
