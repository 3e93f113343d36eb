"""What a study shows on a terminal or in a log: a table of cells that fills while it runs, and a summary."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stillright.events import Level, say
from stillright.paper.cells_csv import CellRecord, Status
from stillright.study.cell_status import Board

SIGNS: dict[Status, tuple[str, str]] = {  # and their style
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("-", "dim"),
    "pending": ("·", "dim"),
}


def table(board: Board) -> Table:
    """Updates and tasks down, strategies across, one sign per seed."""
    shown = Table(title="cells: ✓ done, ✗ failed, - not applicable, · to come", title_justify="left")
    strategies = list(dict.fromkeys(cell.strategy for cell in board.records))
    for name in ("update", "task", *strategies):
        shown.add_column(name)
    for update, task in dict.fromkeys((cell.update, cell.task) for cell in board.records):
        here = [cell for cell in board.records if (cell.update, cell.task) == (update, task)]
        signs = [Text.assemble(*(SIGNS[cell.status] for cell in here if cell.strategy == name)) for name in strategies]
        shown.add_row(update, task, *signs)
    return shown


@contextmanager
def shown(board: Board, console: Console) -> Iterator[None]:
    """On a terminal the table, below what is printed; elsewhere one line per cell."""
    if not console.is_terminal:
        board.on_close = lambda cell: _say_cell(cell, console)
        yield
        return
    with Live(get_renderable=lambda: table(board), console=console, refresh_per_second=2, transient=True):
        yield
    console.print(table(board))


def _say_cell(cell: CellRecord, console: Console) -> None:
    level: Level = "error" if cell.status == "failed" else "info"
    say(console, line(cell), "cell", level, soft_wrap=True, **cell.model_dump(mode="json"))


def line(cell: CellRecord) -> str:
    """A closed cell in one line."""
    if not cell.done:
        return f"{cell}: {cell.status}: {cell.reason}"
    score = f"{cell.metric} {cell.score:.4f} (new {cell.new_score:.4f})"
    return f"{cell}: done: {score}, NFR {cell.nfr:.4f} (new {cell.nfr_new:.4f})"


def summary(board: Board, out: Path, console: Console) -> None:
    """Prints how many cells are done, where their numbers are, and what to do about those that failed."""
    counts = board.counts()
    say(
        console,
        f"{counts['done']} cells done, {counts['skipped']} not applicable, {counts['failed']} failed: "
        f"{out / 'cells.csv'}",
        "cells",
        done=counts["done"],
        skipped=counts["skipped"],
        failed=counts["failed"],
        file=out / "cells.csv",
    )
    failed = [cell for cell in board.records if cell.status == "failed"]
    for reason in dict.fromkeys(cell.reason for cell in failed):
        cells = sum(cell.reason == reason for cell in failed)
        say(console, f"  failed ({cells} cells): {reason}", "cells", "error", cells=cells, reason=reason)
    if failed:
        store = out / "store"
        tracebacks = f" Tracebacks: {store}/*/error.txt" if any(store.glob("*/error.txt")) else ""
        fix = f"Fix the cause and run the same command again: only what is missing is built.{tracebacks}"
        say(console, fix, "next")
