"""Suites on the command line: what is one, its reports, and what it must not do."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stillright.cli import main
from suites import harness_folder

OLD = {"knots": "rrrrrrrrww", "ferries": "rrrrrwwwww"}
NEW = {"knots": "wrrrrrrrww", "ferries": "wwrrrrwwww"}


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    harness_folder(Path("old"), OLD, "maker/one", group_subtasks={"all": ["knots", "ferries"]})
    harness_folder(Path("new"), NEW, "maker/two", group_subtasks={"all": ["knots", "ferries"]})


def test_folders_with_several_tasks_are_a_suite(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old", "new", "--json", "a.json", "--markdown", "a.md", "--html", "a.html"]) == 0
    written = json.loads(Path("a.json").read_text())
    assert [task["name"] for task in written["tasks"]] == ["ferries", "knots"]
    assert written["pooled"]["nfr"]["value"] == pytest.approx(3 / 20)
    for text in (capsys.readouterr().out, Path("a.md").read_text(), Path("a.html").read_text()):
        assert "suite of 2 tasks: maker/one → maker/two" in text
        assert "Tasks: maker/two" in text
        assert "Of 2 tasks, 0 got clearly worse and 0 got clearly better" in text


@pytest.mark.parametrize(
    ("options", "is_suite"),
    [
        (["--task", "all"], False),
        (["--task", "*"], False),
        (["--task", "all", "--suite"], True),
        (["--task", "*", "--suite"], True),
        (["--task", "knots"], False),
    ],
)
def test_what_is_a_suite(options: list[str], is_suite: bool) -> None:
    assert main(["compare", "old", "new", *options, "--json", "a.json"]) == 0
    assert ("macro" in json.loads(Path("a.json").read_text())) == is_suite


def test_a_suite_of_a_file() -> None:
    Path("suite.yaml").write_text("tasks: [{name: knots, weight: 3}, {name: boats, task: ferries}]")
    assert main(["compare", "old", "new", "--suite", "suite.yaml", "--json", "a.json"]) == 0
    written = json.loads(Path("a.json").read_text())
    assert [(task["name"], task["weight"]) for task in written["tasks"]] == [("knots", 0.75), ("boats", 0.25)]


def test_candidates_and_flips() -> None:
    harness_folder(Path("kept"), OLD | {"knots": "wrrrrrrrww"}, "maker/three")
    assert (
        main(["compare", "old", "new", "kept", "--json", "a.json", "--flips", "a.jsonl", "--quadrant", "restored"]) == 0
    )
    (candidate,) = json.loads(Path("a.json").read_text())["candidates"]
    assert (candidate["name"], candidate["pooled"]["delta_nfr"]["value"]) == ("maker/three", pytest.approx(-2 / 20))
    rows = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    assert [(row["task"], row["id"]) for row in rows] == [("ferries", "0"), ("ferries", "1")]


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ("{metric: nfr, max: 0.9, task: '*'}", 0),
        ("{metric: nfr, max: 0.01, suite: macro, bound: low}", 1),
        ("{metric: nfr, max: 0.9}", 2),
        ("{metric: nfr, max: 0.16, suite: pooled, power: 0.8}", 3),
    ],
)
def test_exit_codes_of_the_gate(limits: str, code: int) -> None:
    Path("policy.yaml").write_text(f"limits: [{limits}]")
    assert main(["gate", "old", "new", "--policy", "policy.yaml", "--html", "a.html"]) == code


def test_names_in_junit_do_not_change_with_the_limit() -> None:
    names = []
    for limit in (0.3, 0.9):
        Path("policy.yaml").write_text(f"limits: [{{metric: nfr, max: {limit}, task: '*'}}]\nmust_pass: [knots/0]")
        main(["gate", "old", "new", "--policy", "policy.yaml", "--junit", "a.xml"])
        cases = ElementTree.parse("a.xml").getroot().findall("testcase")
        names.append([(case.attrib["classname"], case.attrib["name"]) for case in cases])
    assert names[0] == names[1]
    assert names[0][:3] == [
        ("stillright.gate", "unscored"),
        ("stillright.gate.ferries", "nfr max, upper end in ferries"),
        ("stillright.gate.knots", "nfr max, upper end in knots"),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("compare --suite old new", "--suite: old: is no suite.yaml; write --suite behind OLD and NEW"),
        (
            "compare old/samples_knots_2026-01-02T03-04-05.000001.jsonl new --suite",
            "is a file, of one task; a suite needs",
        ),
        ("compare old nowhere", "nowhere: no such"),
        (
            "compare old new --suite suite.yaml --task knots",
            "the suite says which tasks there are; leave task 'knots' out",
        ),
        ("compare old new --suite suite.yaml --json suite.yaml", "would replace suite.yaml"),
        ("compare old new --suite suite.yaml --json new/faq.jsonl", "would replace new/faq.jsonl"),
    ],
)
def test_mistakes(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("suite.yaml").write_text("tasks: [{name: faq, file: faq.jsonl}]")
    assert main(words.split()) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_task_that_one_side_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    next(Path("new").glob("samples_ferries*")).unlink()
    assert main(["compare", "old", "new", "--suite"]) == 2
    assert "new lacks ferries; all must have the same tasks: choose some with --task" in capsys.readouterr().err
