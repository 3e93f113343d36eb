"""The command line as a user meets it: speed of the light half, exit codes, one-line errors, single stages."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

import stillright
from places import LOGS
from samples import write_rows
from stillright.cli import main

TRAIN = ("torch", "transformers", "lm_eval", "trl", "peft", "datasets")
HEAVY = (*TRAIN, "bert_score", "matplotlib", "openai", "rouge_score", "sacrebleu")
LIGHT_MODULES = (
    "cli",
    "comparison",
    "config",
    "errors",
    "events",
    "hub.push",
    "importers",
    "records",
    "verdict",
    "report.html",
    "report.markdown",
    "report.pages",
    "report.terminal",
    "scoring",
    "scoring.judge",
    "stats",
    "paper",
)


def test_light_half_imports_nothing_heavy() -> None:
    code = f"import sys, stillright, {', '.join(f'stillright.{name}' for name in LIGHT_MODULES)}\n"
    code += f"print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_public_names_are_sorted_and_there() -> None:
    assert stillright.__all__ == sorted(stillright.__all__)
    for name in stillright.__all__:
        assert getattr(stillright, name) is not None


def test_public_names_are_all_that_a_comparison_and_a_gate_need() -> None:
    rows = [{"id": str(i), "prediction": "A" if i < 9 else "B", "reference": "A"} for i in range(10)]
    old, new = (
        stillright.PredictionSet.from_rows(stillright.Header(name=name), rows[start:] + rows[:start])
        for name, start in (("old", 0), ("new", 5))
    )
    assert stillright.compare(old, new).comparison.nfr.value == 0
    policy = stillright.Policy(limits=(stillright.Limit(metric="nfr", max=0.05, bound="value"),))
    assert stillright.gate(old, new, policy).verdict.outcome == "pass"


def test_a_function_is_not_hidden_by_a_module() -> None:
    code = "import stillright.verdict, stillright.comparison.comparison; from stillright import compare, gate"
    code += "; print(callable(gate), callable(compare), stillright.__version__)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["True", "True", version("stillright")]


@pytest.mark.parametrize("command", ["run", "demo", "fit", "align", "predict", "compare", "gate", "study-results"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"example:\n  stillright {command}" in capsys.readouterr().out


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of an error."""
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("stillright: error: ")
    assert error.count("\n") == 1
    return error


def test_bad_input_is_one_line_and_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "missing")
    assert "no such file" in fails(["run", missing], capsys)
    assert "no such file" in fails(["compare", missing, missing], capsys)
    assert "did you mean 'epochs'" in fails(["demo", "--set", "training.epoch=1"], capsys)
    base = ["fit", missing, "--out", str(tmp_path / "adapter")]
    assert "has no task of this name" in fails([*base, "--task", "no_such_task_at_all"], capsys)
    assert "no such file" in fails([*base, "--task", "task.yaml"], capsys)


def test_two_models_of_one_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, output = str(LOGS / "promptfoo/models.json"), tmp_path / "c.json"
    assert main(["compare", f"{log}::model=terse", f"{log}::model=chatty", "--json", str(output)]) == 0
    comparison = json.loads(output.read_text())
    assert (comparison["old"]["name"], comparison["new"]["name"]) == ("terse", "chatty")
    assert "several models" in fails(["compare", log, log], capsys)
    twice = ["compare", log, log, "--model", "terse", "--model", "chatty"]
    assert "--model is given twice, but applies to every file" in fails(twice, capsys)
    assert "expected KEY=VALUE with a key of task" in fails(["compare", f"{log}::provider=x", log], capsys)
    runs = [f"{log}::model=terse", f"{log}::model=chatty", "--old-run", f"{log}::model=terse"]
    assert "is given twice for one model" in fails(["compare", *runs], capsys)


def test_options_that_cannot_apply_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = write_rows(tmp_path / "r.jsonl", [{"id": 1, "correct": True}])
    message = fails(["compare", str(rows), str(rows), "--run", "3"], capsys)
    assert "does not record a run, so --run 3 cannot apply to it" in message


@pytest.mark.parametrize(
    "arguments", [["compare"], ["gate", "a", "b"], ["compare", "a", "b", "--epsilon", "x"], ["nope"], []]
)
def test_usage_errors_are_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "--help" in fails(arguments, capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run update.yaml --dryrun", "--dryrun; did you mean '--dry-run'?; see stillright run --help"),
        ("gate a b --polcy=p --policy p", "did you mean '--policy'?; see stillright gate --help"),
        ("study-results out more", "unrecognized arguments: more; see stillright study-results --help"),
        ("compare old.jsonl", "the following arguments are required: NEW; see stillright compare --help"),
    ],
)
def test_usage_errors_name_the_command_and_the_near_option(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in fails(arguments.split(), capsys)


def test_fit_does_not_overwrite_a_folder(
    update_values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = tmp_path / "task.yaml"
    task.write_text(yaml.safe_dump(update_values["task"]))
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "precious").touch()
    arguments = ["fit", update_values["old"], "--task", str(task), "--out", str(folder)]
    assert "holds something that was not made here" in fails(arguments, capsys)
    assert (folder / "precious").exists()


def test_an_occupied_run_folder(
    update_values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    update = tmp_path / "update.yaml"
    update.write_text(yaml.safe_dump({**update_values, "out": str(tmp_path / "file")}))
    assert "choose another" in fails(["run", str(update)], capsys)


def test_a_full_disk_says_what_to_do(
    update_values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    update = tmp_path / "update.yaml"
    update.write_text(yaml.safe_dump(update_values))
    with monkeypatch.context() as patch:
        patch.setattr("stillright.stages.predict.write_predictions", full)
        assert "the disk is full" in fails(["run", str(update)], capsys)
    assert main(["run", str(update)]) == 0
    assert "align-compat: already done" in capsys.readouterr().out


def test_an_interrupt_says_what_to_do(
    update_values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    update = tmp_path / "update.yaml"
    update.write_text(yaml.safe_dump(update_values))
    monkeypatch.setattr("stillright.pipeline.run_update", interrupt)
    assert main(["run", str(update)]) == 130
    assert "run the same command again to continue" in capsys.readouterr().err


def test_every_stage_is_a_command(
    update_values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = tmp_path / "task.yaml"
    task.write_text(yaml.safe_dump(update_values))  # an update.yaml serves, and its settings hold
    quick = ["--task", str(task), "--set", "training.epochs=1"]
    old, new = update_values["old"], update_values["new"]
    for name, base in (("old", old), ("new", new)):
        assert main(["fit", base, "--out", str(tmp_path / "made" / name), *quick]) == 0
        assert json.loads((tmp_path / "made" / name / "adapter_config.json").read_text())["r"] == 4
    models = {name: f"{base}+{tmp_path / 'made' / name}" for name, base in (("old", old), ("new", new))}
    compat = tmp_path / "made" / "compat"
    assert main(["align", "--old", models["old"], "--new", models["new"], "--out", str(compat), *quick]) == 0
    models["compat"] = f"{new}+{compat}"
    files = [str(tmp_path / "made" / f"{name}.jsonl") for name in models]
    for model, file in zip(models.values(), files, strict=True):
        assert main(["predict", model, "--out", file, *quick]) == 0
    output = tmp_path / "comparison.json"
    assert main(["compare", *files, "--json", str(output), "--markdown", str(tmp_path / "report.md")]) == 0
    assert json.loads(output.read_text())["candidates"][0]["name"] == "compat"
    assert "shows no clear difference from old" in capsys.readouterr().out


def test_align_needs_task_adapters(
    update_values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = tmp_path / "task.yaml"
    task.write_text(yaml.safe_dump(update_values["task"]))
    arguments = ["align", "--old", update_values["old"], "--new", update_values["new"]]
    assert "needs a task adapter" in fails([*arguments, "--task", str(task), "--out", str(tmp_path / "a")], capsys)
