"""What helps to begin: drafts that are valid and hold, schemas that accept what the commands accept, completion."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from places import ROOT
from stillright.cli import main
from stillright.config import load_policy, load_update

CI, ANSWERS = ROOT / "examples" / "ci", ROOT / "examples" / "answers"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def schema_of(kind: str, capsys: pytest.CaptureFixture[str]) -> jsonschema.Draft202012Validator:
    capsys.readouterr()
    assert main(["schema", kind]) == 0
    return jsonschema.Draft202012Validator(json.loads(capsys.readouterr().out))


def test_a_drafted_policy_passes_what_it_was_drafted_from(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(CI / "old.jsonl"), str(CI / "new.jsonl")]
    assert main(["init", "policy", *files, "--slice", "queue", "--out", "in/policy.yaml"]) == 0
    text = Path("in/policy.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=policy.schema.json\n")
    assert main(["gate", *files, "--policy", "in/policy.yaml"]) == 0
    nfr, score, queue = load_policy("in/policy.yaml").limits
    # one lost answer of 60: Wilson's interval ends at 8.86 %; of the 20 of its queue 5 %; +6.67 points from -1.79 on
    assert (nfr.max, score.min, queue.max, queue.min_n) == (0.09, -0.02, 0.05, 20)
    assert load_policy("in/policy.yaml").min_n == 54
    assert json.loads(Path("in/policy.schema.json").read_text())["title"] == "Policy"
    capsys.readouterr()
    assert main(["init", "policy", *files, "--out", "in/policy.yaml"]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_drafted_update_names_the_columns_that_there_are() -> None:
    assert main(["init", "update", str(ANSWERS / "train.jsonl"), str(ANSWERS / "test.jsonl")]) == 0
    task = load_update("update.yaml").task
    assert (task.prompt, task.choices, task.answer) == ("{{text}}", "teams", "label")


def test_rows_without_an_answer_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.jsonl").write_text('{"id": 1, "text": "a"}\n')
    assert main(["init", "update", "rows.jsonl", "rows.jsonl"]) == 2
    assert "rows.jsonl: its first row has id, text; a prompt is a text" in capsys.readouterr().err
    assert not Path("update.yaml").exists()


FILES = [
    *(
        (kind, path)
        for path in sorted((ROOT / "recipes").glob("*.yaml"))
        for kind in ["study" if "updates:" in path.read_text() else "update"]
    ),
    ("update", ANSWERS / "update.yaml"),
    ("policy", CI / "policy.yaml"),
]
SUITE = {"tasks": [{"name": "gsm8k", "metrics": ["exact_match"], "weight": 2}, {"name": "mmlu"}]}


@pytest.mark.parametrize(("kind", "path"), FILES, ids=lambda value: getattr(value, "name", value))
def test_schemas_accept_what_commands_accept(kind: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema_of(kind, capsys).validate(yaml.safe_load(path.read_text()))


def test_the_schema_of_a_suite_accepts_one(capsys: pytest.CaptureFixture[str]) -> None:
    schema_of("suite", capsys).validate(SUITE)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("suite", {"tasks": [{"name": "mmlu", "metric": "acc"}]}),
        ("policy", {"limits": [{"metric": "nope", "max": 1}]}),
        ("policy", {"limit": []}),
        ("update", {"old": "a", "new": "b"}),
        ("update", {"old": "a", "new": "b", "task": "piqa", "training": {"epoch": 1}}),
        ("study", {"bases": {"a": "b"}, "updates": [["a"]], "tasks": {"piqa": "piqa"}, "strategies": {"choice": None}}),
    ],
)
def test_schemas_refuse_mistakes(kind: str, values: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        schema_of(kind, capsys).validate(values)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_is_a_script_of_the_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "--on-missing" in script
    assert "study-results" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
