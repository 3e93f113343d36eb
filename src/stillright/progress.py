"""Progress bars with tokens/s and time left; a log, which cannot show them, gets one line when each is done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class Bar:
    """One piece of work: `total` units, of which tokens are counted for the rate."""

    def __init__(self, rich: RichProgress, task: TaskID) -> None:
        self._rich = rich
        self._task = task
        self._started = time.monotonic()
        self.tokens = 0

    @property
    def rate(self) -> float:
        """Tokens a second since the start."""
        return self.tokens / max(time.monotonic() - self._started, 1e-9)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def advance(self, tokens: int, units: int | None = None) -> None:
        """Counts `tokens` for the rate and `units` (tokens where absent) for the time left."""
        self.tokens += tokens
        self._rich.update(self._task, advance=tokens if units is None else units, rate=f"{self.rate:,.0f} tokens/s")

    def note(self, text: str) -> None:
        """Shows `text` behind the rate, for instance the last loss."""
        self._rich.update(self._task, note=text)


class Progress:
    """Makes bars on one console."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        """A bar that is gone when the work is done; one line stays."""
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with RichProgress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as rich:
            bar = Bar(rich, rich.add_task(label, total=total, rate="", note=""))
            yield bar
        self.console.print(
            f"  {label}: {bar.tokens:,} tokens in {bar.seconds:.0f} s, {bar.rate:,.0f} tokens/s", highlight=False
        )
