"""Progress with tokens/s and time left: a bar on a terminal; in a log, which cannot show one, a line a minute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from stillright.events import for_programs, say

LOG_SECONDS = 60.0


class Bar:
    """One piece of work: `total` units, of which tokens, or other things, are counted for the rate."""

    def __init__(self, rich: RichProgress, label: str, total: int, things: str) -> None:
        self._rich = rich
        self.things = things
        self._label = label
        self._task = rich.add_task(label, total=total, rate="", note="")
        self._started = self._logged = time.monotonic()
        self.tokens = 0

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    @property
    def rate(self) -> str:
        """Tokens a second since the start, as shown."""
        return f"{self._per_second(self.seconds):,.0f} {self.things}/s"

    @property
    def account(self) -> dict[str, Any]:
        """What was done so far, as fields of an event."""
        seconds = self.seconds
        counted = {"label": self._label, "unit": self.things, "count": self.tokens}
        return {**counted, "seconds": round(seconds, 3), "per_second": round(self._per_second(seconds), 3)}

    def _per_second(self, seconds: float) -> float:
        return self.tokens / max(seconds, 1e-9)

    def advance(self, tokens: int, units: int | None = None) -> None:
        """Counts `tokens` for the rate and `units` (tokens where absent) for the time left."""
        self.tokens += tokens
        self._rich.update(self._task, advance=tokens if units is None else units, rate=self.rate)
        if not self._rich.console.is_terminal and time.monotonic() - self._logged > LOG_SECONDS:
            self._log()

    def note(self, text: str, event: str, **fields: Any) -> None:
        """Shows `text` behind the rate, for instance the last loss; programs get the event."""
        self._rich.update(self._task, note=text)
        if (log := for_programs(self._rich.console)) is not None:
            log.event(event, "info", f"{self._label}: {text}", label=self._label, **fields)

    def _log(self) -> None:
        self._logged = time.monotonic()
        (task,) = self._rich.tasks
        done = task.percentage / 100
        left = self.seconds * (1 - done) / done if done else float("nan")
        line = f"  {self._label}: {done:.0%}, {self.rate}, {left / 60:.0f} min left"
        say(self._rich.console, line, "progress", share=round(done, 4), seconds_left=left, **self.account)


def unseen_bar() -> Bar:
    """A bar that is never shown."""
    return Bar(RichProgress(console=Console(quiet=True), disable=True), "", 1, "tokens")


class Progress:
    """Makes bars on one console."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def bar(self, label: str, total: int, things: str = "tokens") -> Iterator[Bar]:
        """A bar that is gone when the work is done; one line stays. things: what is counted."""
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with RichProgress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as rich:
            bar = Bar(rich, label, total, things)
            yield bar
        line = f"  {label}: {bar.tokens:,} {things} in {bar.seconds:.0f} s, {bar.rate}"
        say(self.console, line, "worked", **bar.account)
