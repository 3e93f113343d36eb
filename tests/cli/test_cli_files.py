"""The files of compare and gate: what is read is never written over, and one run is no two."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from places import LOGS
from samples import write_rows
from stillright.cli import main

Fails = Callable[[str], str]


@pytest.fixture
def fails(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fails:
    """Runs a command in a folder of inputs: its one line of error. No file is changed or made by it."""
    monkeypatch.chdir(tmp_path)
    for name in ("old", "new", "more"):
        write_rows(tmp_path / f"{name}.jsonl", [{"id": i, "correct": i > 0 or name == "old"} for i in range(5)])
    (tmp_path / "policy.yaml").write_text("limits: [{metric: nfr, max: 0.5}]\n")
    (tmp_path / "judge.yaml").write_text("model: m\n")
    (tmp_path / "link.jsonl").symlink_to("old.jsonl")
    shutil.copytree(LOGS / "harness" / "flat", tmp_path / "logs")

    def fails(command: str) -> str:
        before = contents(tmp_path)
        assert main(command.split()) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert contents(tmp_path) == before
        return error

    return fails


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


SAMPLES = next((LOGS / "harness" / "flat").glob("samples_*")).name
RESULTS = next((LOGS / "harness" / "flat").glob("run_*")).name


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        ("compare old.jsonl new.jsonl --json old.jsonl", "--json old.jsonl: would replace old.jsonl"),
        ("compare old.jsonl new.jsonl --html ./x/../new.jsonl", "--html x/../new.jsonl: would replace new.jsonl"),
        ("compare old.jsonl new.jsonl --markdown link.jsonl", "--markdown link.jsonl: would replace old.jsonl"),
        ("compare link.jsonl new.jsonl --json old.jsonl", "--json old.jsonl: would replace link.jsonl"),
        ("compare old.jsonl new.jsonl more.jsonl --json more.jsonl", "would replace more.jsonl"),
        ("compare old.jsonl new.jsonl --old-run more.jsonl --json more.jsonl", "would replace more.jsonl"),
        ("compare old.jsonl::score=x new.jsonl --json old.jsonl", "would replace old.jsonl"),
        ("compare old.jsonl new.jsonl --judge judge.yaml --json judge.yaml", "would replace judge.yaml"),
        (f"compare logs logs --json logs/{SAMPLES}", f"would replace logs/{SAMPLES}"),
        (f"compare logs logs --json logs/{RESULTS}", f"would replace logs/{RESULTS}"),
        (f"compare logs/{SAMPLES} logs --json logs/{RESULTS}", f"would replace logs/{RESULTS}"),
        ("compare missing new.jsonl --json new.jsonl", "would replace new.jsonl"),
        ("compare old.jsonl new.jsonl --json a --html ./a", "--html a: is also written by --json; give another path"),
        ("gate old.jsonl new.jsonl --policy policy.yaml --junit policy.yaml", "would replace policy.yaml"),
        ("gate old.jsonl new.jsonl --policy policy.yaml --json new.jsonl", "would replace new.jsonl"),
        ("gate old.jsonl new.jsonl --policy policy.yaml --new-run more.jsonl --markdown more.jsonl", "more.jsonl"),
        ("gate old.jsonl new.jsonl --policy policy.yaml --junit a --markdown a", "is also written by --junit"),
    ],
)
def test_no_input_is_written_over(fails: Fails, command: str, refused: str) -> None:
    assert refused in fails(command)


def test_a_new_file_in_a_folder_of_results(fails: Fails, tmp_path: Path) -> None:
    for _ in range(2):
        assert main(["compare", "logs", "logs", "--allow", "identical", "--json", "logs/new/comparison.json"]) == 0
    assert json.loads((tmp_path / "logs/new/comparison.json").read_text())["task"] == "colours"


def test_each_file_has_its_own_names_of_columns(fails: Fails, tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", [{"key": 1, "answer": "A", "reference": "A"}])
    write_rows(tmp_path / "b.jsonl", [{"id": 1, "pred": "A", "gold": "A"}])
    files = ["a.jsonl::id=key::prediction=answer", "b.jsonl::prediction=pred::reference=gold"]
    assert main(["compare", *files, "--json", "c.json", "--allow", "identical"]) == 0
    assert json.loads((tmp_path / "c.json").read_text())["new"]["score"] == 1.0
    assert main(["compare", "b.jsonl::reference=gold", "b.jsonl", "--column", "prediction=pred"]) == 2


@pytest.mark.parametrize("again", ["././old.jsonl", "link.jsonl", "x/../old.jsonl"])
def test_one_run_under_two_names(fails: Fails, again: str) -> None:
    assert "is given twice for one model" in fails(f"compare old.jsonl new.jsonl --old-run {again}")


def test_one_choice_in_two_spellings(fails: Fails) -> None:
    log = LOGS / "inspect" / "words.eval"
    same = f"compare {log}::run=1::metric=match {log}::run=2 --metric match --old-run {log}::run=01"
    assert "is given twice for one model" in fails(same)
    assert (
        main(f"compare {log}::run=1 {log}::run=1 --metric match --old-run {log}::run=2 --allow identical".split()) == 0
    )
