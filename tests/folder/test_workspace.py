"""Stages: nothing of the user's is overwritten, and no stage touches another's checkpoints."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from stillright.errors import RunError
from stillright.folder.files import write_first
from stillright.folder.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, Console(quiet=True))


def write(_: Path, out: Path) -> None:
    out.mkdir()
    (out / "made").write_text("by the stage")


def write_file(_: Path, out: Path) -> None:
    out.write_text("answers")


def interrupted(work: Path, out: Path) -> None:
    (work / "checkpoint").write_text("half")
    raise KeyboardInterrupt


def test_what_a_stage_has_not_made_is_not_overwritten(workspace: Workspace) -> None:
    theirs = workspace.root / "models"
    theirs.mkdir()
    (theirs / "precious").write_text("weights")
    with pytest.raises(RunError, match="models: holds something that was not made here"):
        workspace.stage("fit", "models", lambda: {}, write)
    assert (theirs / "precious").read_text() == "weights"
    (workspace.root / "file").write_text("text")
    with pytest.raises(RunError, match="file: holds something"):
        workspace.stage("predict", "file", lambda: {}, write)


def test_files_beside_the_stages_are_not_overwritten_either(workspace: Workspace) -> None:
    (workspace.root / "update.yaml").write_text("# mine")
    for _ in range(2):
        with pytest.raises(RunError, match="update.yaml: holds something that was not made here"):
            workspace.write("update.yaml", "theirs")
    assert (workspace.root / "update.yaml").read_text() == "# mine"
    for text in ("first", "second"):
        assert workspace.write("report.md", text).read_text() == text


def test_another_file_of_the_same_stage_is_not_overwritten(workspace: Workspace) -> None:
    workspace.stage("predict-x", "x.jsonl", lambda: {}, write_file)
    (workspace.root / "x.csv").write_text("mine")
    with pytest.raises(RunError, match="x.csv: holds something"):
        workspace.stage("predict-x", "x.csv", lambda: {}, write_file)
    assert (workspace.root / "x.csv").read_text() == "mine"


def test_an_empty_folder_and_its_own_result_are(workspace: Workspace) -> None:
    (workspace.root / "new").mkdir()
    assert (workspace.stage("fit", "new", lambda: {"seed": 1}, write) / "made").exists()
    with pytest.raises(KeyboardInterrupt):
        workspace.stage("fit", "new", lambda: {"seed": 2}, interrupted)
    assert (workspace.root / "new/made").exists()  # the former result stands until there is another
    assert (workspace.stage("fit", "new", lambda: {"seed": 2}, write) / "made").exists()


def test_a_stage_keeps_the_checkpoints_of_one_whose_name_begins_alike(workspace: Workspace) -> None:
    with pytest.raises(KeyboardInterrupt):
        workspace.stage("fit-a-v2", "a-v2", lambda: {}, interrupted)
    workspace.stage("fit-a", "a", lambda: {}, write)
    assert list(workspace.state.glob("work/fit-a-v2-*/checkpoint"))


def test_a_stage_that_runs_again_says_why(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    workspace = Workspace(tmp_path, console)

    def said(inputs: dict[str, Any]) -> str:
        console.file = io.StringIO()
        workspace.stage("fit-new", "new", lambda: inputs, write)
        return console.file.getvalue().strip()

    inputs = {"training": {"epochs": 1, "rate": 0.1}, "model": "a", "seed": 0}
    assert said(inputs) == "fit-new: running"
    assert said(inputs) == "fit-new: already done"
    more = {"training": {"epochs": 2, "rate": 0.1}, "model": "a", "seed": 1}
    assert said(more) == "fit-new: running again, since seed, training.epochs changed"
    assert said({"b": 0, "c": 0, "a": 0}) == "fit-new: running again, since a, b, c and 3 more changed"
    (tmp_path / "new" / "made").write_text("damaged")
    assert said({"b": 0, "c": 0, "a": 0}) == "fit-new: running again, since new is not as it was left"


def test_of_several_that_fail_the_first_is_heard(tmp_path: Path) -> None:
    write_first(tmp_path / "error.txt", "the cause")
    write_first(tmp_path / "error.txt", "what followed")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("error.txt", "the cause")]
