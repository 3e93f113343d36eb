"""Standard input and output in place of files, silence, and what is said of misspelt words."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from samples import write_rows
from stillright.cli import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"id": i, "prediction": "A", "reference": "A"} for i in range(20)]
    write_rows(Path("old.jsonl"), rows)
    write_rows(Path("new.jsonl"), [{**rows[0], "prediction": "B"}, *rows[1:]])
    Path("policy.yaml").write_text("limits: [{metric: nfr, max: 0.5}]\n")


def given_on_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_json_alone(capsys: Captured) -> None:
    assert main(["compare", "old.jsonl", "new.jsonl", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["comparison"]["regression"] == 1
    assert main(["gate", "old.jsonl", "new.jsonl", "--policy", "policy.yaml", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "pass"
    assert not Path("-").exists()


def test_an_error_is_json_too(capsys: Captured) -> None:
    assert main(["compare", "old.jsonl", "missing.jsonl", "--json", "-"]) == 2
    printed = capsys.readouterr()
    assert "no such file" in json.loads(printed.out)["error"]
    assert printed.err.count("\n") == 1


def test_one_stream_has_one_output(capsys: Captured) -> None:
    assert main(["compare", "old.jsonl", "new.jsonl", "--json", "-", "--markdown", "-"]) == 2
    assert "--markdown -: is also written by --json" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["old", "new"])
def test_standard_input_is_a_file(place: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"old": "old.jsonl", "new": "new.jsonl"}
    given_on_stdin(monkeypatch, Path(files[place]).read_bytes())
    files[place] = "-"
    assert main(["compare", files["old"], files["new"], "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["comparison"]["regression"] == 1
    assert found[place]["name"] == "stdin"


def test_mistakes_on_standard_input(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    given_on_stdin(monkeypatch, b'{"id": 1, "prediction": "A"}\n{"id": 2, "prediction": [1]}\n')
    assert main(["compare", "old.jsonl", "-"]) == 2
    assert capsys.readouterr().err.startswith("stillright: error: stdin:2: prediction: Expected")
    assert main(["compare", "-", "-"]) == 2
    assert "standard input can be read once" in capsys.readouterr().err


def test_quiet_prints_nothing(capsys: Captured) -> None:
    assert main(["gate", "old.jsonl", "new.jsonl", "--policy", "policy.yaml", "--quiet"]) == 0
    assert main(["compare", "old.jsonl", "new.jsonl", "--quiet"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_the_verdict_comes_first(capsys: Captured) -> None:
    assert main(["compare", "old.jsonl", "new.jsonl"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Comparison: old → new"
    assert lines[1].startswith("new shows no clear difference from old")
    assert main(["gate", "old.jsonl", "new.jsonl", "--policy", "policy.yaml"]) == 0
    assert capsys.readouterr().out.startswith("gate: pass (2 pass)\n")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("comapre old.jsonl new.jsonl", "invalid choice: 'comapre'; did you mean 'compare'?"),
        ("compare old.jsonl new.jsonl --on-missing dorp", "did you mean 'drop'?"),
        ("compare old.jsonl new.jsonl --slcie a", "did you mean '--slice'?"),
        ("compare table.csv table.csv --slice subjekt", "no column 'subjekt'; did you mean 'subject'?"),
        ("compare old.jsonl new.jsonl --column predicton=a", "did you mean 'prediction'?"),
        ("schema polic", "did you mean 'policy'?"),
    ],
)
def test_misspelt_words(words: str, hint: str, capsys: Captured) -> None:
    Path("table.csv").write_text("id,prediction,subject\n1,A,law\n")
    assert main(words.split()) == 2
    assert hint in capsys.readouterr().err
