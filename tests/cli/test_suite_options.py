"""Options of compare and gate that read or write columns and files of every task of a suite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from samples import write_rows
from stillright.cli import main
from stillright.importers import read_predictions
from suites import harness_folder

POLICY = "limits: [{metric: nfr, max: 0.9, bound: value, suite: pooled}]"
SUITE = "tasks: [{name: knots, file: a.jsonl}, {name: ferries, file: b.jsonl}]"


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    harness_folder(Path("old"), {"knots": "rrrrrrrrww", "ferries": "rrrrrwwwww"}, "maker/one")
    harness_folder(Path("new"), {"knots": "wrrrrrrrww", "ferries": "wwrrrrwwww"}, "maker/two")
    Path("policy.yaml").write_text(POLICY)


def tables() -> None:
    """Files of two tasks, of passages with two questions each; new takes twice as long."""
    for place, factor in (("before", 1), ("after", 2)):
        Path(place).mkdir()
        for file in ("a", "b"):
            rows = [
                {"id": i, "correct": (i + factor) % 3 > 0, "output": place, "passage": f"p{i // 2}", "ms": factor * 5}
                for i in range(40)
            ]
            write_rows(Path(place) / f"{file}.jsonl", rows)
    Path("suite.yaml").write_text(SUITE)


def test_clusters_and_measures(capsys: pytest.CaptureFixture[str]) -> None:
    tables()
    files = ["--json", "a.json", "--markdown", "a.md"]
    columns = ["--cluster", "passage", "--measure", "ms"]
    assert main(["compare", "before", "after", "--suite", "suite.yaml", *columns, *files]) == 0
    written = json.loads(Path("a.json").read_text())
    assert written["pooled"]["clusters"]["count"] == 40
    assert written["macro"]["measures"][0]["ratio"] == {"value": 2.0, "low": 2.0, "high": 2.0}
    for text in (" ".join(capsys.readouterr().out.split()), Path("a.md").read_text()):
        assert "40 clusters by passage over all tasks, the largest of 2 samples" in text
        assert "What answers take over all tasks" in text
    Path("suite.yaml").write_text("shared_clusters: true\n" + SUITE)
    assert main(["compare", "before", "after", "--suite", "suite.yaml", *columns, *files]) == 0
    assert json.loads(Path("a.json").read_text())["pooled"]["clusters"]["count"] == 20


def test_limits_on_measures() -> None:
    tables()
    for most, code in ((2.5, 0), (1.5, 1)):
        Path("policy.yaml").write_text(f"measures: {{ms: {{ratio: {most}, task: '*'}}}}")
        assert main(["gate", "before", "after", "--suite", "suite.yaml", "--policy", "policy.yaml"]) == code


def test_each_task_and_model_is_exported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old", "new", "--export", "shared"]) == 0
    files = sorted(Path("shared").rglob("*_samples.jsonl"))
    places = [file.relative_to("shared/data").parts[:-1] for file in files]
    assert places == [(task, "maker", model) for task in ("ferries", "knots") for model in ("one", "two")]
    assert main(["compare", str(files[0]), str(files[1])]) == 0
    assert "it loses 2 of 10 answers" in " ".join(capsys.readouterr().out.split())


def test_a_suite_that_passes_is_the_next_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "old", "new", "--policy", "policy.yaml", "--bless", "base"]) == 0
    assert sorted(file.name for file in Path("base").iterdir()) == ["ferries.jsonl", "knots.jsonl"]
    capsys.readouterr()
    # found again without a word, as folders of logs are; the same results change nothing
    assert main(["compare", "base", "new", "--allow", "identical", "--json", "a.json"]) == 0
    written = json.loads(Path("a.json").read_text())
    assert [task["name"] for task in written["tasks"]] == ["ferries", "knots"]
    assert written["pooled"]["nfr"]["value"] == 0
    # it may be OLD itself
    assert main(["gate", "base", "old", "--policy", "policy.yaml", "--bless", "base"]) == 0
    assert read_predictions("base/knots.jsonl").table["correct"].sum() == 8


def test_what_does_not_pass_is_no_baseline() -> None:
    Path("policy.yaml").write_text(POLICY.replace("0.9", "0.1"))
    assert main(["gate", "old", "new", "--policy", "policy.yaml", "--bless", "base"]) == 1
    assert not Path("base").exists()


def test_a_baseline_has_the_files_of_its_suite() -> None:
    tables()
    suite = ["--suite", "suite.yaml", "--policy", "policy.yaml", "--bless", "base"]
    assert main(["gate", "before", "after", *suite]) == 0
    assert sorted(file.name for file in Path("base").iterdir()) == ["a.jsonl", "b.jsonl"]
    assert main(["gate", "base", "before", *suite]) == 0


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ("tasks: [{name: knots, file: a.csv}]", "a baseline is JSONL, and knots is read from a.csv"),
        ("tasks: [{name: knots, metrics: [exact_match, other]}]", "would hold several metrics of one task"),
    ],
)
def test_what_cannot_be_a_baseline(suite: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    for place in ("old", "new"):
        rows = "".join(f"{i},{place},true\n" for i in range(12))
        Path(place, "a.csv").write_text("id,output,correct\n" + rows)
        for log in Path(place).glob("samples_knots*"):
            log.write_text(log.read_text().replace('["exact_match"]', '["exact_match", "other"], "other": 1.0'))
    Path("suite.yaml").write_text(suite)
    assert main(["gate", "old", "new", "--suite", "suite.yaml", "--policy", "policy.yaml", "--bless", "base"]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not Path("base").exists()


def test_a_folder_of_logs_is_no_place_for_a_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "old", "new", "--policy", "policy.yaml", "--bless", "old", "--json", "a.json"]) == 2
    assert "--bless old: also holds results_" in " ".join(capsys.readouterr().err.split())
    assert json.loads(Path("a.json").read_text())["outcome"] == "error"


def test_several_metrics_are_compared_as_a_suite(capsys: pytest.CaptureFixture[str]) -> None:
    for place, other in (("old", 1.0), ("new", 0.0)):
        for log in Path(place).glob("samples_*"):
            log.write_text(log.read_text().replace('["exact_match"]', f'["exact_match", "other"], "other": {other}'))
    assert main(["compare", "old", "new", "--metric", "exact_match,other", "--json", "a.json"]) == 0
    written = json.loads(Path("a.json").read_text())
    names = [f"{task}/{metric}" for task in ("ferries", "knots") for metric in ("exact_match", "other")]
    assert [task["name"] for task in written["tasks"]] == names
    # the account over all is of the first metric alone: 3 of 20 lost, while the other loses all
    assert written["pooled"]["nfr"]["value"] == pytest.approx(3 / 20)
    assert [task["weight"] for task in written["tasks"]] == [0.5, 0, 0.5, 0]
    Path("policy.yaml").write_text("limits: [{metric: nfr, max: 0.5, bound: value, task: '*/other'}]")
    assert (
        main(["gate", "old", "new", "--metric", "exact_match,other", "--policy", "policy.yaml", "--json", "a.json"])
        == 1
    )
    failed = [check["task"] for check in json.loads(Path("a.json").read_text())["checks"] if check["outcome"] == "fail"]
    assert {"ferries/other", "knots/other"} <= set(failed)


def test_several_metrics_of_one_task() -> None:
    for place, other in (("old", 1.0), ("new", 0.0)):
        (log,) = Path(place).glob("samples_knots*")
        log.write_text(log.read_text().replace('["exact_match"]', f'["exact_match", "other"], "other": {other}'))
    files = [str(next(Path(place).glob("samples_knots*"))) for place in ("old", "new")]
    assert main(["compare", *files, "--metric", "exact_match,other", "--json", "a.json"]) == 0
    tasks = json.loads(Path("a.json").read_text())["tasks"]
    assert [(task["metric"], task["comparison"]["regression"]) for task in tasks] == [("exact_match", 1), ("other", 10)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--metric acc,", "--metric acc,: name a metric on each side of a comma"),
        ("--metric acc,acc", "the name 'ferries/acc' occurs twice"),
        ("--metric acc,f1 --suite suite.yaml", "suite.yaml says which metrics each task has; leave one of them out"),
    ],
)
def test_mistakes_in_metrics(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("suite.yaml").write_text(SUITE)
    assert main(["compare", "old", "new", *words.split()]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
