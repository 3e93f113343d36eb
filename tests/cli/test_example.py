"""The first comparison of a new user, which needs no files: it says what the README says, and stays small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from places import ROOT
from stillright.cli import main
from stillright.cli.compare import EXAMPLE


def test_it_says_what_the_readme_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--example"]) == 0
    said = " ".join(capsys.readouterr().out.partition("Answers, compared")[0].split())
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    title, _, sentences = said.partition(" router-new is")
    assert title == "ticket-routing: router-old → router-new"
    assert f"router-new is{sentences}" in readme


def test_it_takes_the_options_of_a_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--example", "--json", "-", "--html", str(tmp_path / "report.html")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [found["old"]["name"], found["new"]["name"]] == ["router-old", "router-new"]
    assert {part["value"] for part in found["slices"]} == {"money", "parcels", "access"}
    assert "router-compat" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_its_logs_are_those_of_the_script_and_small(tmp_path: Path) -> None:
    code = f"""
import pathlib, runpy
module = runpy.run_path({str(ROOT / "scripts" / "example" / "tickets.py")!r})
module["main"].__globals__["FOLDER"] = pathlib.Path({str(tmp_path)!r})
module["main"]()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    there = {path.name: path.read_bytes() for path in EXAMPLE.iterdir()}
    assert there == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sum(map(len, there.values())) < 80_000
