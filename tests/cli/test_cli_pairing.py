"""The options of compare and gate that say which samples are the same, what may differ, and what is better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from logs import harness_log, inspect_log, promptfoo_log, promptfoo_test
from stillright.cli import main
from stillright.comparison.allow import NAMES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two logs of each tool."""
    monkeypatch.chdir(tmp_path)
    for name, values, grade in (("old", [1.0, 3.0], "C"), ("new", [2.0, 3.0], "I")):
        harness_log(tmp_path / name, "knots_basic", values, metric="oddity")
        harness_log(tmp_path / name, "knots_bends", values, metric="oddity")
        samples = [{"id": 1, "target": "t", "scores": {"m": {"value": grade}}}]
        inspect_log(tmp_path / f"{name}.json", samples, task=f"ferry_{name}")
        inspect_log(tmp_path / f"{name}_hot.json", samples, {"temperature": values[0]}, task=f"ferry_{name}")
        tests = [
            promptfoo_test(len(name) * i, grade == "C", text) for i, text in enumerate("ab" if grade == "C" else "ba")
        ]
        promptfoo_log(tmp_path / f"suite_{name}.json", tests)
    (tmp_path / "policy.yaml").write_text("limits: [{metric: nfr, max: 0.99}]\n")
    return tmp_path


def compared(arguments: str) -> Any:
    assert main(["compare", *arguments.split(), "--json", "c.json"]) == 0
    return json.loads(Path("c.json").read_text())


@pytest.mark.parametrize("allow", ["--allow task,generation", "--allow task --allow generation"])
def test_allow(folder: Path, allow: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(f"old_hot.json new_hot.json {allow}")
    assert (found["allow"], found["comparison"]["regression"]) == (["task", "generation"], 1)
    assert ["task" in found["differences"][0], "generation" in found["differences"][1]] == [True, True]
    assert "Allowed all the same: the files differ in task" in " ".join(capsys.readouterr().out.split())
    gate = f"gate old_hot.json new_hot.json --policy policy.yaml {allow} --json g.json --junit g.xml --markdown g.md"
    assert main(gate.split()) == 1  # NFR is 1
    assert all("the files differ in task" in Path(name).read_text() for name in ("g.json", "g.xml", "g.md"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("old.json new.json", "--allow task"),
        ("old_hot.json new_hot.json --allow task", "--allow generation"),
        ("old.json new.json --allow task,", "--allow : no such difference can be allowed"),
        ("old.json new.json --id x", "old.json: no column 'x'; there is input, target"),
        ("old.json new.json --id x --column id=y", "--id x: --column id=y names another one"),
        ("old.json new.json --column prompt=y", "is a log, where nothing can be renamed to prompt"),
    ],
)
def test_errors_name_the_options(
    folder: Path, arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "=NAME" not in error


def test_help_names_what_may_be_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["gate", "--help"])
    described = capsys.readouterr().out.split("--allow NAME")[-1].split("--score")[0]
    assert [name for name in NAMES if name not in described] == []


def test_id(folder: Path) -> None:
    found = compared("suite_old.json suite_new.json --id q")
    assert (found["n"], found["comparison"]["regression"], found["worst"][0]["id"]) == (2, 2, "a")
    assert compared("suite_old.json::id=q suite_new.json::id=vars::id=q")["joined_by"] == "id"


def test_a_pattern_and_a_direction(folder: Path) -> None:
    found = compared("old new --task knots_* --lower-is-better")
    assert (found["n"], found["comparison"]["regression"], found["comparison"]["gain"]) == (4, 2, 0)
    assert [part["value"] for part in found["slices"]] == ["knots_basic", "knots_bends"]
    assert found["lower_is_better"] is True
    assert compared("old new --task knots_*")["comparison"]["gain"] == 2
