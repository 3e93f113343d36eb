"""docs/engines.md: its commands run on logs of a model in two forms, and find how they differ."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from logs import harness_log, harness_results
from places import ROOT
from stillright.cli import main

DOCS = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line)[1:] for line in re.findall(r"^stillright (?:compare|gate) .*", DOCS, flags=re.MULTILINE)]
N = 1320


@pytest.fixture(autouse=True)
def _logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fourth answer of the evaluated form is wrong; each other run has four other answers than it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples" / "engines", tmp_path / "examples" / "engines")
    flips = {"hf": [], "adapter": [], "bf16": [], "hf-2": [0, 1, 4, 5], "vllm": [2, 3, 8, 12]}
    flips |= {"vllm-2": [2, 3, 8, 16], "merged": [0, 1, 4, 5], "4bit": [1, 2, 3, 4]}
    for name, flipped in flips.items():
        write_log(name, flipped)


def write_log(name: str, flipped: list[int]) -> None:
    values = [float((i % 4 != 0) != (i in flipped)) for i in range(N)]
    folder = Path("logs", name)
    harness_log(folder, "gsm8k", list(values))
    harness_results(folder, ["gsm8k"], model_name=f"maker/{name}")


def run_gate(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(next(words for words in COMMANDS if words[0] == "gate"))
    return code, capsys.readouterr().out


def test_two_forms_that_flip_no_more_than_one_against_itself_pass(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run_gate(capsys)
    assert code == 0, said
    assert Path("engines.html").is_file()


def test_a_form_that_loses_answers_fails(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("vllm", "vllm-2"):
        write_log(name, [i for i in range(80) if i % 4])  # 60 of 300 right answers
    code, said = run_gate(capsys)
    assert code == 1
    assert "fail  nfr_above_noise" in said


def test_a_form_that_only_gains_fails_too(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("vllm", "vllm-2"):
        write_log(name, [i for i in range(160) if i % 4 == 0])  # 40 answers
    code, said = run_gate(capsys)
    assert code == 1
    assert "fail  pfr" in said
    assert "fail  nfr," not in said


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_run(words: list[str]) -> None:
    assert main(words) == 0


def test_noise_is_told_from_a_difference() -> None:
    words = next(words for words in COMMANDS if "--old-run" in words)
    assert main([*words, "--json", "found.json"]) == 0
    found = json.loads(Path("found.json").read_text())
    # pairs of runs: hf to vllm loses 2 and 3, hf to vllm-2 the same; hf-2, which has 1 and 5 wrong and 0 and 4 right,
    # to either loses 2 and 3, and 0 and 4: (2 + 2 + 4 + 4) / 4 answers
    assert found["comparison"]["nfr"]["value"] == pytest.approx(3 / N)
    assert found["old"]["noise"]["value"] == pytest.approx(2 / N)  # 1 and 5 one way, 0 and 4 the other
    assert found["new"]["noise"]["value"] == pytest.approx(1 / N)  # 12 one way, 16 the other
    assert found["nfr_above_noise"]["value"] == pytest.approx(1.5 / N)


def test_flips_are_those_of_both_directions() -> None:
    assert main(next(words for words in COMMANDS if "--flips" in words)) == 0
    rows = [json.loads(line) for line in Path("engine-flips.jsonl").read_text().splitlines()]
    assert {row["id"]: row["new_quadrant"] for row in rows} == {"2": "lost", "3": "lost", "8": "gained", "12": "gained"}
