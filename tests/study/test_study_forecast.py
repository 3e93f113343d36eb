"""The dry run: what is left to do, and data that is read once for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from stillright.cli import main
from stillright.config import load_study
from stillright.study import forecast, shared_data
from stillright.tasks import load_task
from study_rows import Row


def test_dry_run_counts_what_is_left(
    values: dict[str, Any], run: Callable[..., tuple[int, list[Row]]], capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(values["out"]).parent / "study.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))

    def forecast() -> dict[str, list[str]]:
        assert main(["study", str(file), "--dry-run"]) == 0
        lines = [re.findall(r"[\w,]+", line) for line in capsys.readouterr().out.splitlines() if "│" in line]
        return {line[0]: line[1:] for line in lines}

    before = forecast()
    assert not Path(values["out"]).exists()
    assert before["predict"][:2] == ["4", "0"]
    assert before["teach"][:2] == ["2", "0"]
    assert before["fit"][:2] == ["3", "0"]
    assert before["fit"][4] == "3"  # 32 of 40 rows at 8 x 8 a step: one step an epoch
    _, rows = run(values)
    trained = {row["strategy"]: int(row["tokens"]) for row in rows}
    assert before["align"][:5] == ["1", "0", "32", f"{trained['student_wrong']:,}", "1"]
    capsys.readouterr()
    assert {kind: line[:2] for kind, line in forecast().items()} == {
        **{"align": ["1", "1"], "fit": ["3", "3"], "predict": ["4", "4"], "teach": ["2", "2"], "in": ["total", "10"]}
    }


def test_a_task_is_read_once_for_all_cells(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, loaded = tmp_path / "study.yaml", []

    def counted(*given: Any) -> Any:
        loaded.append(given)
        return load_task(*given)

    monkeypatch.setattr(shared_data, "load_task", counted)
    strategies: dict[str, Any] = {name: {} for name in ("old_only", "student_wrong", "choice", "ensemble")}
    file.write_text(yaml.safe_dump({**values, "strategies": strategies, "seeds": [0, 1]}, sort_keys=False))
    forecast.print_forecast(load_study(file), str(file), Console(quiet=True))
    assert len(loaded) == 1
