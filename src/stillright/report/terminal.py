"""Comparison -> what people read on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from stillright.comparison import Comparison
from stillright.comparison.examples import Regression
from stillright.report.differences import LONGEST, Part, differing_words
from stillright.report.visible import visible
from stillright.report.words import (
    SLICE_HEAD,
    count_rows,
    metric_rows,
    models,
    movement_rows,
    power_line,
    samples_line,
    slice_rows,
    verdicts,
)

REGRESSIONS = 3
UNBOUNDED = 10_000  # columns


def _print_table(console: Console, names: list[str], rows: list[list[str]], first: str = "") -> None:
    """With intervals on lines of their own where the console is too narrow for both."""
    table = _table(names, rows, first)
    if Measurement.get(console, console.options.update(max_width=UNBOUNDED), table).maximum > console.width:
        table = _table(
            names, [[label, *(cell.replace(" [", "\n[") for cell in cells)] for label, *cells in rows], first
        )
    console.print(table)


def _table(names: list[str], rows: list[list[str]], first: str = "") -> Table:
    table = Table(header_style="bold")
    table.add_column(_text(first), overflow="fold")
    for name in names:
        table.add_column(_text(name), justify="right", overflow="fold")
    for row in rows:
        table.add_row(*map(_text, row))
    return table


def _text(text: str, style: str = "") -> Text:
    """Plain, visible text: nothing from models and files is markup or a command to the terminal."""
    return Text(visible(text), style=style)


def _line(console: Console, text: str, style: str = "") -> None:
    if text:
        console.print(_text(text, style))


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Quadrants, metrics with 95 % intervals, slices, the worst regressions, and one verdict per model."""
    after = [name for name, _ in models(comparison)]
    _line(
        console,
        f"{comparison.task or f'{comparison.old.name} -> {comparison.new.name}'}, {samples_line(comparison)}",
        "bold",
    )
    _line(console, f"answers, compared with {comparison.old.name}")
    _print_table(console, after, count_rows(comparison))
    _line(console, "with 95 % intervals")
    _print_table(console, [comparison.old.name, *after], metric_rows(comparison))
    if comparison.movement is not None:
        pairs = f"{comparison.movement.pairs:,} pairs"
        _line(console, f"how alike old and new outputs are, 100 %: the same words (ROUGE-1 of {pairs})")
        _print_table(console, ["likeness"], movement_rows(comparison))
    if comparison.slices:
        _print_table(console, SLICE_HEAD[1:], slice_rows(comparison), first=SLICE_HEAD[0])
    _print_regressions(comparison, console)
    console.print()
    for sentence in verdicts(comparison):
        _line(console, sentence, "bold")
    _line(console, power_line(comparison))


def _print_regressions(comparison: Comparison, console: Console) -> None:
    shown = [regression for regression in comparison.worst if regression.old is not None and regression.new is not None]
    if not shown:
        return
    lost = comparison.comparison.regression
    whose = f"of {lost:,}" if isinstance(lost, int) else "of the first runs"
    _line(console, f"lost answers, {min(len(shown), REGRESSIONS)} {whose}")
    for regression in shown[:REGRESSIONS]:
        _print_regression(regression, comparison, console)


def _print_regression(regression: Regression, comparison: Comparison, console: Console) -> None:
    old, new = differing_words(regression.old or "", regression.new or "")
    prompt = " ".join((regression.prompt or "").split())
    drop = "" if comparison.kind == "discrete" else f" (score {-100 * regression.drop:+.1f} points)"
    _line(console, f"  {regression.id}{drop}: {prompt[-LONGEST:]}".rstrip(": "), "dim")
    if regression.reference and comparison.kind == "discrete":
        _line(console, f"    right: {' | '.join(regression.reference)[:LONGEST]}", "dim")
    for name, parts, style in ((comparison.old.name, old, "bold green"), (comparison.new.name, new, "bold red")):
        console.print(Text(" ").join([_text(f"    {name}:"), *_styled(parts, style)]))


def _styled(parts: list[Part], style: str) -> list[Text]:
    return [_text(part.text, style if part.differs else "") for part in parts]
