"""What a study shows while it runs: on a terminal a table that fills, elsewhere a line per cell; then a summary."""

from __future__ import annotations

import io
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from launching import PATIENCE
from samples import write_rows
from stillright.config import StudyConfig
from stillright.stages.stage import Stage
from stillright.study import run, schedule
from stillright.study.store import Store

REASON = "align small-to-large told student_wrong seed 1: OutOfMemoryError: 2 of 4 [GB]"
Values = dict[str, Any]
Frame = dict[tuple[str, str], list[str]]  # the signs of a table, by update and task: of each strategy one per seed
COLOURS, TOLD = ("small-to-large", "colours"), ("small-to-large", "told")
BY_STAGE: dict[str, Frame] = {  # what is shown when it begins
    "fit small colours seed 0": {COLOURS: ["··", "··", "··"], TOLD: ["··", "··", "--"]},
    "predict large student_wrong colours seed 0": {COLOURS: ["✓·", "··", "··"], TOLD: ["··", "··", "--"]},
}
AFTER: Frame = {COLOURS: ["✓✓", "✓✓", "✓✓"], TOLD: ["✓✓", "✓✗", "--"]}


@pytest.fixture
def config(
    bases: tuple[Path, Path], choice_task: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> StudyConfig:
    """Two tasks, three strategies, of which one fits only one task, and two seeds; without figures."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    told = {key: value for key, value in choice_task.items() if key != "choices"}
    tasks = {"colours": choice_task, "told": {**told, "name": "told", "answer": "text", "metric": "rouge1"}}
    return StudyConfig.model_validate(
        {
            "bases": {"small": str(bases[0]), "large": str(bases[1])},
            "updates": [["small", "large"]],
            "tasks": tasks,
            "strategies": {"retrain": {}, "student_wrong": {}, "choice": {}},
            "seeds": [0, 1],
            "out": tmp_path / "study",
        }
    )


def computed(stage: Stage, store: Store, _: Console) -> str | None:
    """In place of the work of a stage: predictions that are all right, or the error of the one that fails."""
    if REASON.startswith(f"{stage.label}:"):
        return REASON
    if stage.kind == "predict":
        choice = stage.config.task.choices is not None
        header = {"name": stage.name, "metric": "acc" if choice else "rouge1"}
        header |= {"kind": "discrete" if choice else "continuous"}
        answer: Values = {"id": "q0", "prediction": "A", "reference": "A", **({} if choice else {"score": 1.0})}
        store.path(stage).parent.mkdir(parents=True, exist_ok=True)
        write_rows(store.path(stage), [{"header": header}, answer])
    return None


def frames(printed: str) -> list[Frame]:
    """The tables, in the order in which they were drawn."""
    drawn = []
    for text in printed.split("cells: ✓ done, ✗ failed, - not applicable, · to come")[1:]:
        rows = [[field.strip() for field in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
        drawn.append({(update, task): signs for update, task, *signs in rows})
    return drawn


def test_on_a_terminal_a_table_fills(config: StudyConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(record=True, force_terminal=True, width=160, file=io.StringIO())

    drawn = {}

    def attempt(stage: Stage, *rest: Any) -> str | None:
        if frame := BY_STAGE.get(stage.label):
            drawn[stage.label] = waited(lambda: frame in frames(console.export_text(clear=False)))
        return computed(stage, *rest)

    monkeypatch.setattr(schedule, "attempt", attempt)
    assert run.run_study(config, "test", console) == 1
    assert drawn == dict.fromkeys(BY_STAGE, True)
    printed = console.export_text()
    assert frames(printed)[-1] == AFTER
    assert re.search(r"\[1/\d+\] fit small colours seed 0\n", printed)  # what is running, above the table
    assert "small-to-large colours retrain seed 0: done" not in printed  # which the table shows
    assert_summary(printed, config)


def waited(condition: Callable[[], bool]) -> bool:
    """Whether it becomes true: the table is drawn anew twice a second."""
    end = time.monotonic() + PATIENCE
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return met


def test_elsewhere_every_cell_has_a_line(config: StudyConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(record=True, width=100, file=io.StringIO())
    monkeypatch.setattr(schedule, "attempt", computed)
    assert run.run_study(config, "test", console) == 1
    printed = console.export_text()
    assert frames(printed) == []
    assert "\x1b" not in console.file.getvalue()  # type: ignore[attr-defined]
    lines = [line for line in printed.splitlines() if line.startswith("small-to-large ")]
    assert len(lines) == 12
    retrained = "small-to-large colours retrain seed 0: done: acc 1.0000 (new 1.0000), NFR 0.0000 (new 0.0000)"
    assert retrained in lines
    assert f"small-to-large told student_wrong seed 1: failed: {REASON}" in lines
    skipped = [line for line in lines if ": skipped: task told: its answers are generated" in line]
    assert [line.split(": skipped")[0] for line in skipped] == [f"small-to-large told choice seed {i}" for i in (0, 1)]
    assert_summary(printed, config)


def assert_summary(printed: str, config: StudyConfig) -> None:
    """What is done, and why the rest is not."""
    told = " ".join(printed.split())
    assert "9 cells done, 2 not applicable, 1 failed: " in told
    assert f"failed (1 cells): {REASON}" in told
    assert "Fix the cause and run the same command again" in told
    assert (config.out / "tables/missing.csv").is_file()
