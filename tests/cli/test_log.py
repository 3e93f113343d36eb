"""--log json: what a command and its errors say is one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from stillright.cli import main, train

Captured = pytest.CaptureFixture[str]


def objects(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    assert all({"time", "level", "event", "message"} <= each.keys() for each in found)
    return found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "missing.yaml", "--log", "json"], "missing.yaml: no such file"),
        (["run", "--log=json", "a.yaml", "--quite"], "unrecognized arguments: --quite"),
        (["run", "--log", "json", "missing.yaml", "--quiet"], "missing.yaml: no such file"),
    ],
)
def test_an_error_is_one_object(words: list[str], said: str, capsys: Captured) -> None:
    assert main(words) == 2
    printed = capsys.readouterr()
    (error,) = objects(printed.err)
    assert (error["level"], error["event"], error["kind"], error["exit_code"]) == ("error", "error", "ConfigError", 2)
    assert error["message"].startswith(said)
    assert printed.out == ""


def test_another_format_is_refused(capsys: Captured) -> None:
    assert main(["run", "a.yaml", "--log", "jsn"]) == 2
    assert "argument --log: invalid choice: 'jsn'; did you mean 'json'?" in capsys.readouterr().err


def test_a_fault_of_ours_is_two_objects(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "_run", lambda args: {"b": 0}["a"])
    assert main(["run", "a.yaml", "--log", "json"]) == 2
    lines, error = objects(capsys.readouterr().err)
    assert lines["event"] == "traceback"
    assert "KeyError: 'a'" in lines["message"]
    assert "please report it" in error["message"]


def test_a_training_and_its_end(update_values: dict[str, Any], tmp_path: Path, capsys: Captured) -> None:
    settings = tmp_path / "update.yaml"
    settings.write_text(yaml.safe_dump(update_values))
    words = ["fit", update_values["new"], "--task", str(settings), "--out", str(tmp_path / "new"), "--log", "json"]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    said = objects(printed.out)
    assert [each["status"] for each in said if each["event"] == "stage"] == ["running", "done"]
    losses = [each for each in said if each["event"] == "validation"]
    assert [each["step"] for each in losses] == [0, 2, 4]  # 32 texts, 16 a step, 2 epochs
    (trained,) = (each for each in said if each["event"] == "trained")
    assert (trained["steps"], trained["label"]) == (4, "fit new")
    assert trained["best_validation_loss"] == pytest.approx(min(each["loss"] for each in losses))
    (few,) = (each for each in said if each["level"] == "warning")
    assert "4 optimizer steps" in few["message"]
    assert main([*words, "--dry-run"]) == 0
    costs = [each for each in objects(capsys.readouterr().out) if "stage" in each]
    assert [(each["stage"], each["steps"]) for each in costs] == [("fit new", 4), ("in total", 4)]
