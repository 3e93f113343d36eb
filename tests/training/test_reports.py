"""training.report_to: every training reports, as a run of its own; and is the same training without."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from rich.console import Console
from transformers import TrainerCallback
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from stillright.cli import main
from stillright.config import parse_update
from stillright.pipeline import run_update

Captured = pytest.CaptureFixture[str]


class Recorder(TrainerCallback):
    """In place of a logger's callback: the losses that each of its runs was told."""

    runs: ClassVar[dict[str, list[float]]] = {}

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        self.runs.setdefault(args.run_name, []).extend(logs[name] for name in ("loss", "eval_loss") if name in logs)


class Missing(TrainerCallback):
    def __init__(self) -> None:
        raise RuntimeError("WandbCallback requires wandb to be installed.")


@pytest.fixture(autouse=True)
def _loggers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INTEGRATION_TO_CALLBACK, "trackio", Recorder)
    monkeypatch.setitem(INTEGRATION_TO_CALLBACK, "wandb", Missing)
    Recorder.runs.clear()


def run(values: dict[str, Any], report_to: list[str]) -> str:
    console = Console(file=io.StringIO(), width=1000)
    run_update(parse_update({**values, "training": {**values["training"], "report_to": report_to}}, "test"), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_all_trainings_of_a_run_report(update_values: dict[str, Any]) -> None:
    """Also that on the labels, over choices; 4 steps and 3 validations each, that on labels has more."""
    values = {**update_values, "strategy": {"mask": "auto"}}
    run(values, ["trackio"])
    assert list(Recorder.runs) == ["run: fit old", "run: fit new", "run: fit compat-labels"]
    assert [len(Recorder.runs[name]) for name in ("run: fit old", "run: fit new")] == [4 + 3, 4 + 3]
    assert len(Recorder.runs["run: fit compat-labels"]) > 4 + 3
    said = run(values, [])
    assert "running" not in said
    assert "fit-old: already done" in said


def test_a_missing_logger_is_named_before_anything_is_trained(
    update_values: dict[str, Any], tmp_path: Path, capsys: Captured
) -> None:
    update = tmp_path / "update.yaml"
    update.write_text(yaml.safe_dump({**update_values, "training": {"report_to": ["trackio", "wandb"]}}))
    alone = ["fit", update_values["new"], "--task", str(update), "--out", str(tmp_path / "alone")]
    for words in (["run", str(update)], ["run", str(update), "--dry-run"], alone):
        assert main(words) == 2
        assert capsys.readouterr().err.strip() == (
            "stillright: error: training.report_to wandb: cannot be reported to (WandbCallback requires wandb to be "
            "installed.); install it with: pip install wandb, or leave it out"
        )
    assert not list(tmp_path.rglob("adapter_model.safetensors"))
    assert Recorder.runs == {}


def test_an_unknown_logger_is_refused(update_values: dict[str, Any], tmp_path: Path, capsys: Captured) -> None:
    update = tmp_path / "update.yaml"
    update.write_text(yaml.safe_dump(update_values))
    assert main(["run", str(update), "--set", "training.report_to=tensorbord"]) == 2
    assert "did you mean 'tensorboard'?" in capsys.readouterr().err


def test_what_trains_nothing_needs_no_logger(update_values: dict[str, Any], tmp_path: Path) -> None:
    update = tmp_path / "update.yaml"
    update.write_text(yaml.safe_dump({**update_values, "training": {"report_to": "wandb"}}))
    assert main(["predict", update_values["new"], "--task", str(update), "--out", str(tmp_path / "new.jsonl")]) == 0


def test_tensorboard_files_stay(update_values: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    update = tmp_path / "update.yaml"
    update.write_text(yaml.safe_dump(update_values))
    words = ["fit", update_values["new"], "--task", str(update), "--out", str(tmp_path / "made/new")]
    assert main([*words, "--set", "training.report_to=tensorboard"]) == 0
    assert list((tmp_path / "made/tensorboard/fit new").glob("events.out.tfevents.*"))
