"""Every id in must_pass that new gets wrong is named: some on a terminal, all for programs."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from samples import write_rows
from stillright.cli import main

LOST = [f"q{i:04}" for i in range(1_005)]


@pytest.fixture
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,006 ids new has the last alone right; one further is unscored."""
    monkeypatch.chdir(tmp_path)
    ids = [*LOST, "kept"]
    write_rows(Path("old.jsonl"), [{"id": i, "correct": True} for i in [*ids, "unscored"]])
    rows = [{"id": i, "correct": i == "kept"} for i in ids]
    write_rows(Path("new.jsonl"), [*rows, {"id": "unscored", "output": "?", "correct": None}])
    Path("policy.yaml").write_text(json.dumps({"must_pass": [*ids, "unscored"], "max_unscored": 0.5}))


@pytest.mark.usefixtures("_files")
def test_all_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["gate", "old.jsonl", "new.jsonl", "--policy", "policy.yaml"]
    assert main([*words, "--json", "a.json", "--junit", "a.xml"]) == 1
    output = capsys.readouterr().out
    assert "1,005 of 1,007 do not pass: 'q0000', 'q0001'" in output
    assert "'q0019' and 985 more" in output
    assert "q0020" not in output
    check = json.loads(Path("a.json").read_text())["checks"][-1]
    assert (check["failing"], check["unscored"]) == (LOST, ["unscored"])
    suite = ElementTree.parse("a.xml").getroot()
    names = [case.attrib["name"] for case in suite.findall("testcase")]
    assert names == ["unscored <= limit", "must pass", *(f"must pass: {each}" for each in LOST[:1_000])]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1002", "1001", "0")
    assert "q1004" in suite.findall("testcase/system-out")[1].text.splitlines()  # type: ignore[union-attr]
