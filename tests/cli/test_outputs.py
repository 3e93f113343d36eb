"""What compare and gate write: whole or not at all, and after any failure nothing that looks like a success."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from launching import PATIENCE
from samples import environment, write_rows
from stillright.cli import main

OUTPUTS = {"json": "made.json", "junit": "made.xml", "markdown": "made.md", "html": "made.html"}
WRITTEN = [word for option, name in OUTPUTS.items() for word in (f"--{option}", name)]
GATE = ["gate", "old.jsonl", "new.jsonl", "--policy", "policy.yaml", *WRITTEN]
COMPARED = [word for word in WRITTEN if word not in ("--junit", "made.xml")]
Raising = Callable[..., Any]


@pytest.fixture(autouse=True)
def _a_gate_that_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the outputs of a gate that has passed."""
    monkeypatch.chdir(tmp_path)
    for name, wrong in (("old", 0), ("new", 2)):
        write_rows(
            Path(f"{name}.jsonl"), [{"id": i, "prediction": "AB"[i < wrong], "reference": "A"} for i in range(20)]
        )
    Path("policy.yaml").write_text("limits: [{metric: nfr, max: 0.5}]\n")
    assert main(GATE) == 0
    assert said() == {"json": "pass", "junit": "pass", "markdown": "pass", "html": "pass"}


def said() -> dict[str, str]:
    """The outcome in each output."""
    suite = ElementTree.parse(OUTPUTS["junit"]).getroot()
    counts = [suite.get(name) for name in ("failures", "errors")]
    return {
        "json": json.loads(Path(OUTPUTS["json"]).read_text())["outcome"],
        "junit": {("0", "0"): "pass", ("0", "1"): "error"}.get((str(counts[0]), str(counts[1])), "fail"),
        "markdown": Path(OUTPUTS["markdown"]).read_text().removeprefix("# gate: ").partition(" (")[0],
        "html": Path(OUTPUTS["html"]).read_text().partition("<h1>gate: ")[2].partition(" (")[0],
    }


ERROR = dict.fromkeys(OUTPUTS, "error")


@pytest.mark.parametrize(
    "words",
    [
        ["gate", "old.jsonl", "missing.jsonl", "--policy", "policy.yaml", *WRITTEN],
        ["gate", "old.jsonl", "new.jsonl", "--policy", "missing.yaml", *WRITTEN],
        ["gate", "old.jsonl", "", "--policy", "policy.yaml", *WRITTEN],
        ["gate", "old.jsonl", "new.jsonl", *WRITTEN],
        [*GATE, "--polcy", "x"],
        [*GATE, "--epsilon=x"],
        ["gate", "--json=made.json", *WRITTEN[2:]],
    ],
)
def test_bad_input_leaves_no_pass(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert said() == ERROR
    reason = capsys.readouterr().err.strip().removeprefix("stillright: error: ")
    assert reason == json.loads(Path("made.json").read_text())["checks"][0]["reason"]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ZeroDivisionError("by zero"), 2, "ZeroDivisionError: by zero (a bug in stillright); please report it"),
        (MemoryError(), 2, "not enough memory"),
        (RecursionError("too deep"), 2, "RecursionError: too deep"),
        (
            type("PanicException", (BaseException,), {})("index out of bounds"),
            2,
            "cannot be read as a table (index out of bounds)",
        ),
        (SystemExit(1), 2, "SystemExit: 1"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
@pytest.mark.parametrize("place", ["verdict.gate", "report.pages.gate_page", "report.terminal.print_page"])
def test_any_failure_leaves_no_pass(
    error: BaseException,
    code: int,
    message: str,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(f"stillright.{place}", fails)
        assert main(GATE) == code
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert said() == ERROR


def test_a_failed_comparison_leaves_no_old_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old.jsonl", "new.jsonl", *COMPARED]) == 0
    assert json.loads(Path("made.json").read_text())["n"] == 20
    assert main(["compare", "old.jsonl", "missing.jsonl", *COMPARED]) == 2
    assert "no such file" in json.loads(Path("made.json").read_text())["error"]
    assert Path("made.md").read_text().startswith("# comparison: error")
    assert "<h1>comparison: error</h1>" in Path("made.html").read_text()


def test_a_gate_that_is_killed_leaves_no_pass(tmp_path: Path) -> None:
    os.mkfifo("slow.jsonl")
    words = [sys.executable, "-m", "stillright", "gate", "slow.jsonl", "new.jsonl", "--policy", "policy.yaml", *WRITTEN]
    before = Path("made.html").stat().st_mtime_ns
    process = subprocess.Popen(words, env=environment(), stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and Path("made.html").stat().st_mtime_ns == before:
            assert time.monotonic() < deadline
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert set(said().values()) <= {"error"}


def test_a_conflict_leaves_no_old_pass_and_no_input_changed(capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("old.jsonl").read_bytes()
    assert main(["gate", "old.jsonl", "new.jsonl", "--policy", "policy.yaml", *WRITTEN[2:], "--json", "old.jsonl"]) == 2
    assert Path("old.jsonl").read_bytes() == before
    assert {**said(), "json": "error"} == ERROR


@pytest.mark.parametrize(
    "words", [["gate", "old.jsonl", "--junit", "old.jsonl"], ["compare", "old.jsonl", "--json=old.jsonl"]]
)
def test_a_usage_error_changes_no_input(words: list[str]) -> None:
    before = Path("old.jsonl").read_bytes()
    assert main(words) == 2
    assert Path("old.jsonl").read_bytes() == before


@pytest.mark.parametrize("output", ["hard.jsonl", "./hard.jsonl", "x/../hard.jsonl"])
def test_a_hard_link_of_an_input_is_that_input(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    os.link("new.jsonl", "hard.jsonl")
    before = Path("new.jsonl").read_bytes()
    assert main(["compare", "old.jsonl", "new.jsonl", "--json", output]) == 2
    assert f"--json {Path(output)}: would replace new.jsonl, which is read" in capsys.readouterr().err
    assert Path("new.jsonl").read_bytes() == before == Path("hard.jsonl").read_bytes()


def test_outputs_are_there_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader never meets half a file: it is written under another name first."""
    seen = []
    replace = Path.replace

    def watched(part: Path, target: Path) -> Path:
        seen.append((target.name, part.read_text(), target.read_text()))
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", watched)
    assert main(GATE) == 0
    assert [name for name, *_ in seen] == [*OUTPUTS.values()] * 2
    for name, new, old in seen[4:]:
        assert new == Path(name).read_text()
        assert "it has not finished" in old
    assert not list(Path().glob(".*"))


def test_a_link_is_written_through_and_a_device_is_left_there() -> None:
    Path("link.json").symlink_to("made.json")
    words = ["gate", "old.jsonl", "new.jsonl", "--policy", "policy.yaml", "--json", "link.json", "--html", os.devnull]
    assert main(words) == 0
    assert Path("link.json").is_symlink()
    assert json.loads(Path("made.json").read_text())["outcome"] == "pass"
    assert main([*words, "--min", "x"]) == 2
    assert not Path(os.devnull).is_file()


def run(redirect: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = f'"$0" -m stillright "$@" {redirect}'
    return subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, *words],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=PATIENCE,
    )


@pytest.mark.parametrize(
    ("redirect", "message"),
    [(">&-", "standard output is closed"), ("> /dev/full", "the disk is full")],
)
def test_standard_output_that_takes_nothing(redirect: str, message: str) -> None:
    done = run(redirect, *GATE)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    assert said() == ERROR


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ("folder", PermissionError(13, "Permission denied"), "made.json: Permission denied; give another path"),
        ("folder", OSError(30, "Read-only file system"), "made.json: Read-only file system; give another path"),
        ("disk", OSError(28, "No space left on device"), "made.json: the disk is full"),
    ],
)
def test_a_folder_that_takes_nothing(
    place: str, error: OSError, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(path: Path, _: str) -> None:
        error.filename = f"{path.parent}/.0123.part" if place == "folder" else None
        raise error

    before = {name: Path(name).read_bytes() for name in ("old.jsonl", "new.jsonl", "policy.yaml")}
    with monkeypatch.context() as patch:
        patch.setattr("stillright.cli.outputs.write_atomically", fails)
        assert main(GATE) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
    assert said() == ERROR  # written in place
    assert {name: Path(name).read_bytes() for name in before} == before
