"""A comparison as Python shows it: as a report, in a notebook and as a figure."""

from __future__ import annotations

import html as entities
from typing import TYPE_CHECKING

from stillright.comparison import Comparison
from stillright.errors import needs
from stillright.report.controls import without_controls
from stillright.report.html import html
from stillright.report.markdown import markdown
from stillright.report.page import Table
from stillright.report.pages import comparison_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {  # of quadrants: Okabe and Ito, 2008, and greys, so that they differ without colour too
    "both_right": "#0072B2",
    "gain": "#56B4E9",
    "both_wrong": "#BBBBBB",
    "unchanged": "#DDDDDD",
    "regression": "#D55E00",
}


def as_html(comparison: Comparison) -> str:
    """The report as one page, as `compare --html` writes it."""
    return html(comparison_page(comparison))


def as_markdown(comparison: Comparison) -> str:
    """The report as `compare --markdown` writes it."""
    return markdown(comparison_page(comparison))


def as_cell(comparison: Comparison) -> str:
    """What a notebook shows: title, sentences and tables of counts and metrics, as HTML without scripts."""
    page = comparison_page(comparison)
    tables = [block for section in page.sections[:2] for block in section.blocks if isinstance(block, Table)]
    sentences = [f"<p>{_text(sentence)}</p>" for sentence in page.summary]
    return "\n".join([f"<p><strong>{_text(page.title)}</strong></p>", *sentences, *map(_table, tables)])


def _table(table: Table) -> str:
    head, *rows = (["".join(f"<td>{_text(cell)}</td>" for cell in row)] for row in (table.head, *table.rows))
    return "<table>" + "".join(f"<tr>{''.join(row)}</tr>" for row in (head, *rows)) + "</table>"


def _text(text: str) -> str:
    return entities.escape(without_controls(text))


def as_figure(comparison: Comparison) -> Figure:
    """Bars of the quadrants, and NFR with its 95 % interval, of new and of each candidate.

    Raises MissingExtra without matplotlib (extra `figures`).
    """
    with needs("figures", "plot()"):
        from matplotlib.figure import Figure
    models = comparison.flips_by_model
    figure = Figure(figsize=(8, 1.2 + 0.5 * len(models)), layout="constrained")
    parts, rates = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
    names = [without_controls(name).replace("$", r"\$") for name, _ in models]  # no mathematics
    left = [0.0] * len(models)
    for part, colour in COLOURS.items():
        shares = [100 * (getattr(flips, part) or 0) / comparison.n for _, flips in models]
        if any(shares):
            parts.barh(names, shares, left=left, color=colour, label=part.replace("_", " "))
            left = [start + share for start, share in zip(left, shares, strict=True)]
    ends = [(flips.nfr.value or 0, flips.nfr.low or 0, flips.nfr.high or 0) for _, flips in models]
    widths = [[100 * (value - low) for value, low, _ in ends], [100 * (high - value) for value, _, high in ends]]
    rates.errorbar([100 * value for value, *_ in ends], names, xerr=widths, fmt="o", color="black", capsize=3)
    parts.invert_yaxis()
    parts.set_xlabel("% of the samples")
    parts.legend(ncols=len(COLOURS), loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize="small")
    rates.set_xlabel("NFR, %, with its 95 % interval")
    return figure
