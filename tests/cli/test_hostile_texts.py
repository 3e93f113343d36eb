"""Texts of files that no terminal, log or page must take for its own: half characters, other encodings, line breaks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from samples import environment, write_rows
from stillright.cli import main
from stillright.comparison import compare
from stillright.importers import read_predictions
from stillright.records import Header, PredictionSet
from stillright.report.html import html
from stillright.report.junit import junit
from stillright.report.markdown import markdown
from stillright.report.pages import comparison_page, gate_page
from stillright.report.terminal import print_page
from stillright.verdict import Check, Verdict

FORGED = (
    "::error::forged\n::error::forged\r::stop-commands::x\u2028# forged\u2029- forged\x0b\x0c\x1c\x1d\x1e\x85|forged"
)
HALF = "\ud83d"


def rows(n: int, wrong: int = 0, **more: Any) -> list[dict[str, Any]]:
    return [{"id": str(i), "prediction": "AB"[i < wrong], "reference": "A", **more} for i in range(n)]


def forged(text: str) -> list[str]:
    """The lines that begin as FORGED does in one of its lines, as any reader would split them."""
    commands = [line for line in map(str.strip, text.splitlines()) if line.startswith(("::", "forged"))]
    return commands + re.findall(r"^[-\s|]*#+ forged.*", text, re.MULTILINE)


def test_names_begin_no_line_in_any_report(capsys: pytest.CaptureFixture[str]) -> None:
    old, new = (
        PredictionSet.from_rows(
            Header(name=f"{FORGED} {name}", task=FORGED, metric=FORGED, source={FORGED: FORGED}),
            rows(20, wrong, prompt=f"why?\n{FORGED}", kind=FORGED),
        )
        for name, wrong in (("old", 0), ("new", 2))
    )
    comparison = compare(old, new, slices=["kind"])
    check = Check(name=FORGED, outcome="fail", reason=FORGED)
    verdict = Verdict(outcome="fail", checks=(check,))
    from rich.console import Console

    for page in (comparison_page(comparison), gate_page(verdict, comparison)):
        print_page(page, Console(width=10_000))
        for text in (capsys.readouterr().out, markdown(page), html(page)):
            assert not forged(text)


def test_errors_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, task in (("old", "a"), ("new", FORGED)):
        write_rows(tmp_path / f"{name}.jsonl", [{"header": {"name": name, "task": task}}, *rows(2)])
    assert main(["compare", str(tmp_path / "old.jsonl"), str(tmp_path / "new.jsonl")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_junit_holds_no_mark_that_turns_text_around() -> None:
    check = Check(name="a\u202eb\x07", outcome="fail", reason=f"c\u2066d{HALF}\n::error::e")
    text = junit(Verdict(outcome="fail", checks=(check,)))
    case = next(ElementTree.fromstring(text.encode()).iter("testcase"))
    assert case.get("name") == "a\ufffdb\ufffd"
    assert case.findtext("system-out") == "c\ufffdd\ufffd ::error::e"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://evil.example/x", "see https:&#8203;//evil.example/x"),
        ("HTTP://evil.example", "HTTP:&#8203;//evil.example"),
        ("www.evil.example", "www&#8203;.evil.example"),
        ("ask @someone or a@b.example", "ask @&#8203;someone or a@&#8203;b.example"),
        ("fixes #12", "fixes #&#8203;12"),
    ],
)
def test_markdown_makes_no_link_of_a_bare_address(text: str, shown: str) -> None:
    old, new = (PredictionSet.from_rows(Header(name=name), rows(9)) for name in ("old", text))
    assert shown in markdown(comparison_page(compare(old, new)))


def test_half_a_character_in_a_target(tmp_path: Path) -> None:
    path = tmp_path / "samples_t_2024-01-01T00-00-00.000000.jsonl"
    sample = {"doc_id": 0, "doc": {}, "resps": [["x"]], "filtered_resps": ["x"], "filter": "none", "exact_match": 1.0}
    write_rows(path, [{**sample, "target": r"['\ud83d', 'b']", "arguments": [["q", {"until": []}]]}])
    assert read_predictions(path).table["reference"].to_list() == [["?", "b"]]


def test_half_a_character_in_rows() -> None:
    found = PredictionSet.from_rows(Header(name=f"a{HALF}"), rows(2, output=f"x{HALF}y", kind=HALF))
    assert found.name == "a?"
    assert found.table["output"].to_list() == ["x?y"] * 2
    assert found.table["kind"].to_list() == ["?"] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems have no such names")
def test_a_file_name_that_is_not_utf8(tmp_path: Path) -> None:
    names = [os.fsdecode(os.fsencode(tmp_path) + b"/" + name) for name in (b"old\xff.jsonl", b"new\xff.jsonl")]
    for name, wrong in zip(names, (0, 1), strict=True):
        write_rows(Path(name), rows(20, wrong))
    files = [f"--{kind}={tmp_path}/out.{kind}" for kind in ("json", "markdown", "html")]
    command = [sys.executable, "-m", "stillright", "compare", *names, *files]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "out.json").read_text())["old"]["name"] == "old?"


class PanicException(BaseException):
    """What a panic of Polars is, which is no Exception."""


@pytest.mark.parametrize(
    ("error", "message"),
    [(MemoryError(), "not enough memory"), (PanicException("index\nout"), "as a table (index out)")],
)
def test_no_memory_and_a_panic_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Any, message: str
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr("stillright.importers.read._as_wanted", fail)
    path = write_rows(tmp_path / "old.jsonl", rows(2))
    assert main(["compare", str(path), str(path)]) == 2
    line = capsys.readouterr().err
    assert message in line
    assert line.count("\n") == 1


def test_an_error_that_quotes_a_file_is_not_endless(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("old", "new"):
        header = {"header": {"name": name, "task": f"{name} " * 10_000}}
        write_rows(tmp_path / f"{name}.jsonl", [header, *rows(2)])
    assert main(["compare", str(tmp_path / "old.jsonl"), str(tmp_path / "new.jsonl")]) == 2
    assert len(capsys.readouterr().err) < 5100
