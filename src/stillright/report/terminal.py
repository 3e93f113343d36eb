"""Comparison -> tables on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from stillright.compare import Comparison
from stillright.report.words import count_rows, metric_rows, models, verdicts


def _table(names: list[str], rows: list[list[str]]) -> Table:
    table = Table(header_style="bold")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Quadrants, metrics with 95 % intervals and a verdict a model."""
    title = f"{comparison.task or 'comparison'}, n = {comparison.n:,}"
    if comparison.unscored:
        title += f", unscored = {comparison.unscored:,}"
    after = [name for name, _ in models(comparison)]
    console.print(f"{title}: answers, compared with {comparison.old.name}", markup=False, highlight=False)
    console.print(_table(after, count_rows(comparison)))
    console.print("with 95 % intervals", highlight=False)
    console.print(_table([comparison.old.name, *after], metric_rows(comparison)))
    for sentence in verdicts(comparison):
        console.print(sentence, markup=False, highlight=False)
