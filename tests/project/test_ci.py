"""The action, the examples and docs/ci.md: they parse, they run, and the docs name every key."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from launching import PATIENCE
from places import ROOT
from samples import environment, write_rows
from stillright.cli import main
from stillright.config import Limit, Policy, load_policy
from stillright.report.junit import junit
from stillright.stats import wilson
from stillright.verdict import Verdict

EXAMPLES = ROOT / "examples" / "ci"
DOCS = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
POLICIES = {
    "pass": "limits: [{metric: nfr, max: 0.5}]",
    "fail": "limits: [{metric: nfr, max: 0.01}]",
    "cannot tell": "limits: [{metric: nfr, max: 0.5}]\nmin_n: 1000",
    "error": "limits: [{metric: nope, max: 0.5}]",
}
CODES = {"pass": 0, "fail": 1, "error": 2, "cannot tell": 3}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty samples a side of which one is lost, every policy, and the python of these tests."""
    rows = [{"id": i, "prediction": "A", "reference": "A"} for i in range(20)]
    write_rows(tmp_path / "old.jsonl", rows)
    write_rows(tmp_path / "-new $(touch owned).jsonl", [{**rows[0], "prediction": "::error::B"}, *rows[1:]])
    for outcome, policy in POLICIES.items():
        (tmp_path / f"{outcome}.yaml").write_text(policy)
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return tmp_path


def run_action(folder: Path, policy: str, **inputs: str) -> tuple[int, dict[str, str], str]:
    """Exit code, outputs and log of the action's script, run as a runner runs it."""
    defaults = {name.upper().replace("-", "_"): str(spec.get("default", "")) for name, spec in ACTION["inputs"].items()}
    variables = environment(
        **{**defaults, "OLD": "old.jsonl", "NEW": "-new $(touch owned).jsonl", "POLICY": policy, **inputs},
        ACTION=str(ROOT),
        GITHUB_OUTPUT=str(folder / "output"),
        GITHUB_STEP_SUMMARY=str(folder / "summary.md"),
    )
    variables["PATH"] = f"{folder / 'bin'}:{variables['PATH']}"
    script = next(step["run"] for step in STEPS if step.get("id") == "gate")
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    outputs = dict(line.split("=", 1) for line in (folder / "output").read_text().splitlines())
    comment = Path(outputs.pop("comment"))
    if comment.exists():
        comment.replace(folder / "comment.md")
    return done.returncode, outputs, done.stdout + done.stderr


@pytest.mark.parametrize("outcome", POLICIES)
def test_the_action_says_what_the_gate_says(folder: Path, outcome: str) -> None:
    code, outputs, log = run_action(folder, f"{outcome}.yaml")
    assert code == CODES[outcome], log
    assert outputs == {"outcome": outcome, "exit-code": str(code)}
    assert not (folder / "owned").exists()  # names of files are run by no shell
    assert (folder / "summary.md").read_text().startswith(f"# gate: {outcome}")
    assert (folder / "comment.md").read_text().startswith(f"<!-- stillright gate -->\n### Model gate: {outcome}\n")
    assert f"gate: {outcome}" in (folder / "stillright-gate.html").read_text()
    if outcome != "error":
        assert ElementTree.parse(folder / "stillright-gate.xml").getroot().get("tests") == "2"


@pytest.mark.parametrize(("outcome", "code"), [("cannot tell", 0), ("fail", 1), ("error", 2)])
def test_only_what_cannot_be_told_may_be_let_through(folder: Path, outcome: str, code: int) -> None:
    found, outputs, _ = run_action(folder, f"{outcome}.yaml", ALLOW_CANNOT_TELL="true")
    assert (found, outputs["outcome"], outputs["exit-code"]) == (code, outcome, str(CODES[outcome]))


def test_arguments_are_split_and_not_expanded(folder: Path) -> None:
    code, _, log = run_action(folder, "pass.yaml", ARGUMENTS="--on-missing\n drop --epsilon 0")
    assert code == 0, log
    code, outputs, log = run_action(folder, "pass.yaml", ARGUMENTS="--old-run *.jsonl;touch owned $(touch owned)")
    assert (code, outputs["outcome"]) == (2, "error")
    assert not (folder / "owned").exists()


def test_a_crash_is_no_verdict(folder: Path) -> None:
    (folder / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    code, outputs, _ = run_action(folder, "pass.yaml")
    assert (code, outputs) == (2, {"outcome": "error", "exit-code": "2"})


def test_results_cannot_command_the_runner(folder: Path) -> None:
    _, _, log = run_action(folder, "fail.yaml")
    first, last, *errors = [line for line in log.splitlines() if line.startswith("::")]
    assert first == f"::stop-commands::{last.strip(':')}"
    assert len(last.strip(":")) == 32
    assert [error[:40] for error in errors] == ["::error title=stillright gate::nfr max, "]  # ours, after the results


@pytest.mark.parametrize(("outcome", "errors"), [("pass", 0), ("fail", 1), ("cannot tell", 1), ("error", 1)])
def test_what_does_not_pass_is_an_error_line(folder: Path, outcome: str, errors: int) -> None:
    _, _, log = run_action(folder, f"{outcome}.yaml")
    found = [line for line in log.splitlines() if line.startswith("::error")]
    assert len(found) == errors
    if outcome == "error":
        assert "limits.0.metric: should be 'score'" in found[0]


def test_bad_words_on_the_command_line_and_a_crash_have_a_summary_too(folder: Path) -> None:
    run_action(folder, "pass.yaml", ARGUMENTS="--polcy x")
    assert "unrecognized arguments: --polcy" in (folder / "summary.md").read_text()
    (folder / "summary.md").unlink()
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] && exit 1\nexec "{sys.executable}" "$@"\n')
    _, outputs, log = run_action(folder, "pass.yaml")
    assert outputs["outcome"] == "error"
    assert "no verdict was written" in (folder / "summary.md").read_text()
    assert "::error title=stillright gate::gate: no verdict was written" in log


def test_texts_of_results_command_and_mention_nobody(tmp_path: Path) -> None:
    hostile = "a`@team`\n::warning::100%"
    verdict = Verdict.of_one(hostile, "fail", hostile)
    (tmp_path / "gate.xml").write_text(junit(verdict))
    command = [sys.executable, str(ROOT / "scripts" / "action" / "say.py"), "gate.xml", "fail", "comment.md"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [line[:10] for line in done.stdout.splitlines()] == ["::error ti"]
    assert "100%25" in done.stdout
    assert "@team" not in re.sub("`[^`]*`", "", (tmp_path / "comment.md").read_text())


def test_junit_names_last_when_the_limit_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names = []
    for limit in (0.5, 0.01):
        Path("policy.yaml").write_text(f"limits: [{{metric: nfr, max: {limit}}}]\nmax_unscored: {limit}\n")
        main(["gate", "--policy", "policy.yaml", "--junit", "gate.xml", "--", "old.jsonl", "-new $(touch owned).jsonl"])
        names.append([case.get("name") for case in ElementTree.parse("gate.xml").getroot().iter("testcase")])
    assert names == [["unscored", "nfr max, upper end"]] * 2


def test_only_a_gate_that_passes_blesses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    new = "-new $(touch owned).jsonl"
    before = Path("old.jsonl").read_bytes()
    words = ["--bless", "old.jsonl", "--quiet", "--", "old.jsonl", new]
    assert main(["gate", "--policy", "fail.yaml", *words]) == 1
    assert main(["gate", "--policy", "cannot tell.yaml", *words]) == 3
    assert Path("old.jsonl").read_bytes() == before
    assert main(["gate", "--policy", "pass.yaml", *words]) == 0
    assert main(["compare", "--json", "found.json", "--allow", "identical", "--", "old.jsonl", new]) == 0
    found = json.loads(Path("found.json").read_text())
    assert (found["n"], found["comparison"]["regression"], found["comparison"]["gain"]) == (20, 0, 0)


def test_no_script_holds_an_input() -> None:
    for step in STEPS:
        assert "${{" not in step.get("run", "")
        assert step.get("shell") == ("bash" if "run" in step else None)
        assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/x@v1"))
    used = set(re.findall(r"inputs\.([\w-]+)", yaml.safe_dump(STEPS)))
    assert used == ACTION["inputs"].keys()


def test_the_workflow_gives_inputs_that_exist() -> None:
    workflow = yaml.safe_load((EXAMPLES / "github.yml").read_text(encoding="utf-8"))
    step = next(step for step in workflow["jobs"]["gate"]["steps"] if step.get("id") == "gate")
    assert step["with"].keys() <= ACTION["inputs"].keys()
    assert all((ROOT / step["with"][name]).is_file() for name in ("old", "new", "policy"))


def test_the_example_policy_asks_something_of_everything() -> None:
    policy = load_policy(EXAMPLES / "policy.yaml")
    assert {limit.metric for limit in policy.limits} == {"nfr", "delta_score"}
    assert policy.must_pass


@pytest.mark.parametrize("key", [*Policy.model_fields, *Limit.model_fields, *ACTION["inputs"], *ACTION["outputs"]])
def test_docs_name_every_key(key: str) -> None:
    assert f"`{key}`" in DOCS


def test_docs_name_every_metric() -> None:
    for metric in Limit.model_fields["metric"].annotation.__args__:  # type: ignore[union-attr]
        assert f"`{metric}`" in DOCS


@pytest.mark.parametrize(("limit", "n"), [(0.01, 381), (0.02, 189), (0.03, 125), (0.05, 73)])
def test_docs_say_from_where_on_a_faultless_update_passes(limit: float, n: int) -> None:
    assert re.search(rf"^\| {limit:.0%} \| {n} ".replace("%", " %"), DOCS, flags=re.MULTILINE)
    enough, too_few = wilson(0, n).high, wilson(0, n - 1).high
    assert enough is not None
    assert too_few is not None
    assert enough <= limit < too_few


GITLAB = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text(encoding="utf-8"))["gate"]
TEXTS = [DOCS, (EXAMPLES / "README.md").read_text(encoding="utf-8")]
JENKINS = re.findall(r"stillright gate [^']*", (EXAMPLES / "Jenkinsfile").read_text(encoding="utf-8"))
COMMANDS = [*GITLAB["script"], *JENKINS, *re.findall(r"^stillright gate .*", "\n".join(TEXTS), flags=re.MULTILINE)]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples" / "ci")
    for name in ("old.jsonl", "new.jsonl", "policy.yaml"):
        shutil.copy(EXAMPLES / name, tmp_path)
    for name in ("old", "new"):
        shutil.copy(EXAMPLES / f"{name}.jsonl", tmp_path / f"{name}-2.jsonl")
    shutil.copy(EXAMPLES / "old.jsonl", tmp_path / "baseline.jsonl")
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)[1:]) == 0
