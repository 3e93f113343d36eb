"""A path that is empty, as one from a variable that is not set, is never taken for the current folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from places import LOGS
from samples import write_rows
from stillright.cli import main
from stillright.comparison import compare
from stillright.config import parse_update
from stillright.errors import ConfigError, DataError, ModelError
from stillright.importers import read_predictions
from stillright.models import ModelRef

COMPARE, GATE = "compare old.jsonl new.jsonl", "gate old.jsonl new.jsonl --policy policy.yaml"
TASK, MODELS = "--task piqa", "--old a --new b"


@pytest.fixture(autouse=True)
def _in_a_folder_of_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the current folder could be read as results."""
    shutil.copytree(LOGS / "harness" / "flat", tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for name in ("old", "new"):
        write_rows(Path(f"{name}.jsonl"), [{"id": i, "correct": i > 0 or name == "old"} for i in range(5)])
    Path("policy.yaml").write_text("limits: [{metric: nfr, max: 0.5}]\n")


@pytest.mark.parametrize("empty", ["", " "])
@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("compare {} new.jsonl", "OLD"),
        ("compare old.jsonl {}", "NEW"),
        ("compare old.jsonl {}::metric=acc", "NEW"),
        (f"{COMPARE} {{}}", "CANDIDATE"),
        *((f"{COMPARE} --{option} {{}}", f"--{option}") for option in ("json", "html", "markdown", "judge")),
        *((f"{GATE} --{option} {{}}", f"--{option}") for option in ("old-run", "new-run", "junit", "json")),
        ("gate old.jsonl new.jsonl --policy {}", "--policy"),
        ("run {}", "UPDATE.YAML"),
        ("study {}", "STUDY.YAML"),
        ("study-results {}", "OUT"),
        ("demo --dry-run --out {}", "--out"),
        ("fit {} --out x --task piqa", "BASE"),
        (f"fit a {TASK} --out {{}}", "--out"),
        (f"align --old {{}} --new b {TASK} --out x", "--old"),
        (f"align {MODELS} {TASK} --out {{}}", "--out"),
        (f"transfer {MODELS} --out {{}}", "--out"),
        ("transfer --old a --new {} --out x", "--new"),
        ("merge {} --out x", "MODEL"),
        ("merge a+b --out {}", "--out"),
        (f"predict {{}} {TASK} --out x", "MODEL"),
        (f"predict a {TASK} --out {{}}", "--out"),
        ("fit a --task {} --out x", "--task"),
    ],
)
def test_an_empty_path_is_refused(command: str, named: str, empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path().rglob("*"))
    assert main([word.format(empty) for word in command.split()]) == 2
    error = capsys.readouterr().err
    assert f"argument {named}: is empty" in error
    assert error.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


def test_an_empty_path_in_a_file_is_refused() -> None:
    values = {"old": "a", "new": "b", "task": "piqa"}
    with pytest.raises(ConfigError, match=r"out: is empty, which would be the current folder; give a path"):
        parse_update({**values, "out": ""}, "update.yaml")
    with pytest.raises(ConfigError, match="task.test: is empty"):
        parse_update({**values, "task": {"name": "piqa", "train": "a", "test": ""}}, "update.yaml")
    with pytest.raises(ConfigError, match="old.test: is empty"):
        parse_update({**values, "old": {"test": ""}}, "update.yaml")


def test_an_empty_path_in_python_is_refused() -> None:
    with pytest.raises(DataError, match="'': the path is empty"):
        read_predictions("")
    with pytest.raises(DataError, match="'': the path is empty"):
        compare("", "new.jsonl")


@pytest.mark.parametrize("text", ["", " ", "@main", "+adapter", "old.jsonl+", "here+@main"])
def test_a_model_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="expected base"):
        ModelRef.parse(text)
