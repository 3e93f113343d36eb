"""What a person sees of a study: a table of cells that fills while it runs, lines in a log, and a summary."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stillright.study.board import Board
from stillright.study.table import CellRow, Status

SIGNS: dict[Status, tuple[str, str]] = {  # and their style
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("-", "dim"),
    "pending": ("·", "dim"),
}


def table(board: Board) -> Table:
    """Updates and tasks down, strategies across, a sign for every seed."""
    shown = Table(title="cells: ✓ done, ✗ failed, - not applicable, · to come", title_justify="left")
    strategies = list(dict.fromkeys(row.strategy for row in board.rows))
    for name in ("update", "task", *strategies):
        shown.add_column(name)
    for update, task in dict.fromkeys((row.update, row.task) for row in board.rows):
        here = [row for row in board.rows if (row.update, row.task) == (update, task)]
        signs = [Text.assemble(*(SIGNS[row.status] for row in here if row.strategy == name)) for name in strategies]
        shown.add_row(update, task, *signs)
    return shown


@contextmanager
def shown(board: Board, console: Console) -> Iterator[None]:
    """On a terminal the table, below what is printed; elsewhere a line for every cell."""
    if not console.is_terminal:
        board.closed.add(lambda row: console.print(line(row), highlight=False, markup=False))
        yield
        return
    with Live(get_renderable=lambda: table(board), console=console, refresh_per_second=2, transient=True):
        yield
    console.print(table(board))


def line(row: CellRow) -> str:
    """A closed cell in one line."""
    name = f"{row.update} {row.task} {row.strategy} seed {row.seed}: {row.status}"
    if row.status != "done":
        return f"{name}: {row.reason}"
    return f"{name}: {row.metric} {row.score:.4f} (new {row.new_score:.4f}), NFR {row.nfr:.4f} (new {row.nfr_new:.4f})"


def summary(board: Board, out: Path, console: Console) -> None:
    """How many cells are done, where their numbers stand, and what to do about those that are not."""
    counts = board.counts()
    console.print(
        f"{counts['done']} cells done, {counts['skipped']} not applicable, {counts['failed']} failed: "
        f"{out / 'cells.csv'}",
        highlight=False,
    )
    failed = [row for row in board.rows if row.status == "failed"]
    for reason in dict.fromkeys(row.reason for row in failed):
        cells = sum(row.reason == reason for row in failed)
        console.print(f"  failed ({cells} cells): {reason}", highlight=False, markup=False)
    if failed:
        store = out / "store"
        tracebacks = f" Tracebacks: {store}/*/error.txt" if any(store.glob("*/error.txt")) else ""
        console.print(
            f"Mend the cause and run the same command again: only what is missing is built.{tracebacks}",
            highlight=False,
        )
