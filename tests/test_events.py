"""A line for people, or one JSON object for programs; nothing else gets into a stream of these."""

from __future__ import annotations

import io
import json
import math
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from stillright import progress
from stillright.events import JsonLines, complain, json_streams, say


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_people_get_the_line() -> None:
    text = io.StringIO()
    say(Console(file=text, width=100), "  fit [old]: done", "stage", stage="fit [old]")
    assert text.getvalue() == "  fit [old]: done\n"


def test_programs_get_an_object() -> None:
    text = io.StringIO()
    console = Console(file=JsonLines(text, "info"))  # type: ignore[arg-type]
    say(console, "  fit: 3 rows in a", "data", "warning", rows=3, folder=Path("a"), loss=math.nan)
    (found,) = events(text.getvalue())
    assert datetime.fromisoformat(found.pop("time")).utcoffset() is not None
    assert list(found) == ["level", "event", "message", "rows", "folder", "loss"]
    assert found["message"] == "fit: 3 rows in a"
    assert (found["level"], found["event"], found["rows"], found["folder"], found["loss"]) == (
        *("warning", "data", 3),
        *("a", None),
    )


def test_quiet_is_quiet() -> None:
    text = io.StringIO()
    say(Console(file=JsonLines(text, "info"), quiet=True), "done", "stage")  # type: ignore[arg-type]
    assert text.getvalue() == ""


def test_what_others_print_is_an_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    with json_streams():
        print("one\n\ntwo", end="")
        Console().print("[bold]three[/bold]")
        print("\r10 %\r20 %\r", end="\n")
        print("begun", end="")
        print("beware", file=sys.stderr)
        complain("stillright: error: ", "it is \ud83d", "error", exit_code=2)
    printed = capsys.readouterr()
    out, err = events(printed.out), events(printed.err)
    assert [each["message"] for each in out] == ["one", "twothree", "20 %", "begun"]
    assert {each["event"] for each in out} == {"output"}
    assert err[0]["message"] == "beware"
    assert (err[0]["level"], err[-1]["level"]) == ("warning", "error")
    assert (err[-1]["event"], err[-1]["message"], err[-1]["exit_code"]) == ("error", "it is \ud83d", 2)
    assert sys.stdout is not None
    assert not isinstance(sys.stdout, JsonLines)


def test_progress_has_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the clock, 50 s apart: start, rate, is it time to log; of step 2, at 100 s, a line is due.

    Then 2 of 4 units are done, so that as much time is left as has passed.
    """
    clock = iter(range(0, 10_000, 50))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    text = io.StringIO()
    with progress.Progress(Console(file=JsonLines(text, "info"))).bar("fit old", 4) as bar:  # type: ignore[arg-type]
        bar.advance(tokens=100, units=1)
        bar.advance(tokens=100, units=1)
        bar.note("validation loss 0.5000", "validation", step=2, loss=0.5)
    by_event = {each["event"]: each for each in events(text.getvalue())}
    assert list(by_event) == ["progress", "validation", "worked"]
    logged = by_event["progress"]
    assert (logged["label"], logged["share"], logged["unit"]) == ("fit old", 0.5, "tokens")
    assert logged["seconds_left"] > 0
    assert logged["per_second"] == pytest.approx(logged["count"] / logged["seconds"], abs=1e-3)
    assert (by_event["validation"]["loss"], by_event["validation"]["step"]) == (0.5, 2)
    assert by_event["worked"]["count"] == 200
