"""Progress in a log: a line a minute while the work goes on, one line at its end."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from stillright import progress


def test_a_log_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 50))  # every look at the clock is 50 seconds later
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    text = io.StringIO()
    with progress.Progress(Console(file=text, width=100)).bar("fit old", 4) as bar:
        for _ in range(4):
            bar.advance(tokens=100, units=1)
    lines = text.getvalue().splitlines()
    assert any(line.startswith("  fit old: 50%, ") and line.endswith(" min left") for line in lines)
    assert lines[-1].startswith("  fit old: 400 tokens in ")
