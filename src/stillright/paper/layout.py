"""A table of text -> Markdown and LaTeX, and the one way in which a study's numbers are written."""

from __future__ import annotations

import re
from typing import NamedTuple

from stillright.report.markdown import cell as markdown_cell
from stillright.report.markdown import table as markdown_table
from stillright.report.words import DASH
from stillright.stats import Estimate

LATEX = {
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$"},
    **{"Δ": r"$\Delta$", "±": r"$\pm$", "→": r"$\to$"},
}
NEGATIVE = re.compile(r"(?<![\w-])-(?=\d)")


class Sheet(NamedTuple):
    """A table as text. texts: how many leading columns are words; notes: numbered from 1, as cells refer to them."""

    caption: str
    head: list[str]
    rows: list[list[str]]
    texts: int
    notes: list[str]


def number(
    value: float | None, deviation: float | None = None, interval: Estimate | None = None, sign: str = ""
) -> str:
    """A fraction in percent with two decimals: "72.74", "72.74 ± 0.31", "-4.17 [-5.10, -3.20]"; a dash for None.

    sign: "+" for differences, which then are in points.
    """
    if value is None:
        return DASH
    text = _percent(value, sign)
    if deviation is not None:
        text += f" ± {_percent(deviation)}"
    if interval is not None and interval.low is not None and interval.high is not None:
        text += f" [{_percent(interval.low, sign)}, {_percent(interval.high, sign)}]"
    return text


def p_text(p: float | None) -> str:
    """ "0.0120", "<0.0001", a dash for None."""
    return DASH if p is None else "<0.0001" if p < 1e-4 else f"{p:.4f}"


def _percent(value: float, sign: str = "") -> str:
    return f"{round(100 * value, 2) + 0.0:{sign}.2f}"  # + 0.0: no -0.00


def markdown(sheet: Sheet) -> str:
    """The sheet as a Markdown page."""
    head = [markdown_cell(text) for text in sheet.head]
    rows = [[markdown_cell(text) for text in row] for row in sheet.rows]
    marks = ["---"] * sheet.texts + ["---:"] * (len(head) - sheet.texts)
    lines = markdown_table(head, rows).split("\n")
    lines[1] = "| " + " | ".join(marks) + " |"
    notes = [f"[{i}] {markdown_cell(note)}" for i, note in enumerate(sheet.notes, start=1)]
    return "\n\n".join([markdown_cell(sheet.caption), "\n".join(lines), *notes]) + "\n"


def latex_escaped(text: str) -> str:
    """`text` with LaTeX's special characters escaped."""
    if text == DASH:
        return "--"
    return NEGATIVE.sub("$-$", "".join(LATEX.get(character, character) for character in text))


def latex(sheet: Sheet, label: str) -> str:
    """The sheet as a table* of packages booktabs and graphicx (which makes it as wide as the text)."""
    rows = [" & ".join(map(latex_escaped, row)) + r" \\" for row in [sheet.head, *sheet.rows]]
    columns = "l" * sheet.texts + "r" * (len(sheet.head) - sheet.texts)
    notes = [rf"\par\footnotesize [{i}] {latex_escaped(note)}" for i, note in enumerate(sheet.notes, start=1)]
    return "\n".join(
        [
            r"\begin{table*}",
            rf"\caption{{{latex_escaped(sheet.caption)}}}",
            rf"\label{{tab:{label}}}",
            r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            rows[0],
            r"\midrule",
            *rows[1:],
            r"\bottomrule",
            r"\end{tabular}}",
            *notes,
            r"\end{table*}",
            "",
        ]
    )
