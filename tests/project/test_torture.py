"""A part of `make torture`, and the rules by which it judges."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from places import ROOT
from samples import environment
from stillright.records import Header, PredictionSet
from torture.doubts import Changed, verdict
from torture.kills import outcome_of_signal
from torture.table import Tally, table

PART = {"seed": 0, "commands": 1, "kills": 2, "damages": 4, "inputs": 1500, "workers": 2}
ROWS = '{"id": "1", "prediction": "A", "reference": "A"}\n{"id": "2", "prediction": "A", "reference": "B"}\n'


def test_a_part_of_the_torture_finds_no_fault() -> None:
    options = [word for name, value in PART.items() for word in (f"--{name}", str(value))]
    path = os.pathsep.join([str(ROOT / "benchmarks"), environment()["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "torture", *options],
        env=environment(PYTHONPATH=path),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]


def read(text: str, **correct: bool | None) -> PredictionSet:
    """Of the prediction of id 1, and what is said of it."""
    rows: list[dict[str, Any]] = [{"id": "1", "prediction": text, "reference": ["A"], **correct}]
    return PredictionSet.from_rows(Header(name="x"), [*rows, {"id": "2", "prediction": "A", "reference": ["B"]}])


@pytest.mark.parametrize(
    ("after", "found", "expected"),
    [
        (ROWS.replace('"A", "r', '"C", "r', 1), read("C"), "survived"),  # plainly another answer
        (ROWS.replace('"A", "r', r'"\u202eA", "r', 1), read("\u202eA"), "survived"),  # letters of some scripts
        (ROWS.replace('"A", "r', r'"\u0007", "r', 1), read("\x07"), "wrong"),
        (ROWS.replace('"A", "r', 'null, "r', 1), read("A", correct=False), "wrong"),  # no answer is not a wrong one
        (ROWS.replace('"A", "r', '7e40, "r', 1), read("7e40"), "wrong"),
        (ROWS, read("C"), "wrong"),  # nothing differs
        (ROWS[:20], read("C"), "wrong"),  # no other reader could read it
        (ROWS[:20], read("A"), "survived"),  # the same numbers
    ],
)
def test_only_what_a_file_says_plainly_may_change_numbers(after: str, found: PredictionSet, expected: str) -> None:
    assert verdict(Changed("jsonl", ROWS.encode(), after.encode(), read("A"), found))[0] == expected


def test_what_compare_refuses_is_not_accepted() -> None:
    other = PredictionSet.from_rows(Header(name="x"), [{"id": "3", "prediction": "A", "reference": ["A"]}])
    assert verdict(Changed("jsonl", b"", b"", read("A"), other))[0] == "refused"


@pytest.mark.parametrize(
    ("number", "code", "errors", "expected"),
    [
        (signal.SIGKILL, -9, "", "survived"),
        (signal.SIGTERM, -15, "", "survived"),
        (signal.SIGINT, 130, "stillright: interrupted\n", "survived"),
        (signal.SIGINT, 0, "", "survived"),  # it had ended before
        (signal.SIGINT, 1, "", "lost"),
        (signal.SIGTERM, 2, "stillright: error: x\n", "lost"),
        (signal.SIGINT, 130, "Traceback (most recent call last)\n", "tracebacks"),
        (signal.SIGINT, 130, "one\ntwo\n", "tracebacks"),
    ],
)
def test_how_a_signal_may_end_a_run(number: signal.Signals, code: int, errors: str, expected: str) -> None:
    assert outcome_of_signal(number, code, errors) == expected


def test_the_table_counts_and_keeps_faults() -> None:
    tally = Tally("kills")
    tally.note("survived", "a", times=3)
    tally.note("lost", "seed 7")
    assert (tally.tried, tally.failed, tally.faults) == (4, 1, ["kills: lost: seed 7"])
    assert table([tally]).splitlines()[1].split() == ["kills", "4", "3", "0", "1", "0", "0"]
