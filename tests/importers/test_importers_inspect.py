"""Logs of Inspect, written by it: what is read agrees with Inspect's own results."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import places
from stillright.errors import DataError
from stillright.importers import Selection, read_predictions

LOGS = places.LOGS / "inspect"


@pytest.mark.parametrize("name", ["choice.eval", "choice.json"])
def test_choices(name: str) -> None:
    predictions = read_predictions(LOGS / name, Selection(columns=("thing", "target")))
    rows = {row["id"]: row for row in predictions.table.iter_rows(named=True)}
    assert {key: row["correct"] for key, row in rows.items()} == {
        "sky": True,
        "grass": True,
        "snow": False,
        "coal": True,
        "sea": None,
    }
    snow = rows["snow"]
    assert (snow["prediction"], snow["reference"], snow["choices"]) == ("C", ["B"], 3)
    assert (snow["prompt"], snow["output"]) == ("What colour is snow?", "ANSWER: C")
    assert (snow["thing"], snow["target"]) == ("snow", "B")


def test_right_answers_as_inspect_counts_them() -> None:
    correct = read_predictions(LOGS / "choice.json").table["correct"]
    results = json.loads((LOGS / "choice.json").read_text())["results"]["scores"][0]
    assert results["scored_samples"] == correct.count() == 4
    assert results["metrics"]["accuracy"]["value"] == correct.mean() == 0.75


def test_a_failed_sample_is_unscored() -> None:
    rows = read_predictions(LOGS / "choice.eval").table.rows(named=True)
    sea = next(row for row in rows if row["id"] == "sea")
    assert (sea["prediction"], sea["correct"], sea["score"], sea["output"]) == (None, None, None, "")


def test_header() -> None:
    header = read_predictions(LOGS / "choice.eval").header
    assert (header.name, header.task, header.metric, header.kind) == ("mockllm/model", "choice", "choice", "discrete")
    assert header.settings == {"task_version": 2, "generation": {"temperature": 0.0}}
    assert header.source["inspect_ai"] == "0.3.285"


@pytest.mark.parametrize(("run", "right"), [(1, [True, False, True, False]), (2, [True, True, False, True])])
def test_epochs(run: int, right: list[bool]) -> None:
    predictions = read_predictions(LOGS / "words.eval", Selection(run=run, metric="match"))
    assert predictions.table["id"].to_list() == ["1", "2", "3", "4"]
    assert predictions.table["correct"].to_list() == right


def test_numbers_are_scores() -> None:
    predictions = read_predictions(LOGS / "words.eval", Selection(run=2, metric="overlap"))
    assert predictions.kind == "continuous"
    assert predictions.table["score"].to_list() == [1.0, 1.0, 0.75, 1.0]


def test_partial_grades_are_scores() -> None:
    predictions = read_predictions(LOGS / "partial.json")
    results = json.loads((LOGS / "partial.json").read_text())["results"]["scores"][0]
    assert predictions.kind == "continuous"
    assert predictions.table["score"].mean() == results["metrics"]["accuracy"]["value"] == 0.375


@pytest.mark.parametrize(
    ("name", "selection", "message"),
    [
        ("words.eval", Selection(), "several runs, choose one with run=NAME: 1, 2"),
        ("words.eval", Selection(run=3), "no run '3'; there is 1, 2"),
        ("words.eval", Selection(run=1), "several metrics, choose one with metric=NAME: match, overlap"),
        ("choice.json", Selection(metric="match"), "no metric 'match'; there is choice"),
        ("choice.json", Selection(task="sums"), "no task 'sums'; there is choice"),
        ("choice.json", Selection(columns=("x",)), "no column 'x'; there is thing, options, input, target"),
    ],
)
def test_what_is_not_there(name: str, selection: Selection, message: str) -> None:
    with pytest.raises(DataError, match=name) as caught:
        read_predictions(LOGS / name, selection)
    assert message in str(caught.value)


def log(tmp_path: Path, *samples: dict[str, Any]) -> Path:
    """A small log of these samples."""
    path = tmp_path / "log.json"
    head = {"version": 2, "status": "success", "eval": {"task": "t", "model": "m"}, "plan": {}}
    path.write_text(json.dumps({**head, "samples": list(samples)}))
    return path


def test_parts_attachments_and_several_values(tmp_path: Path) -> None:
    sample = {
        "id": 1,
        "epoch": 1,
        "input": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"text": "attachment://a"}]},
        ],
        "target": ["x", "y"],
        "output": {"choices": [{"message": {"content": "attachment://b"}}]},
        "scores": {"judge": {"value": {"style": 1, "truth": 0.25}, "answer": "x"}},
        "attachments": {"a": "A long question", "b": "A long answer"},
    }
    predictions = read_predictions(log(tmp_path, sample), Selection(metric="judge/truth"))
    row = predictions.table.row(0, named=True)
    assert row["prompt"] == "Be brief.\n\nA long question"
    assert (row["output"], row["reference"], row["score"]) == ("A long answer", ["x", "y"], 0.25)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("C", True),
        ("I", False),
        ("N", False),
        (True, True),
        (0, False),
        (1.0, True),
        ("yes", True),
        (float("nan"), None),
    ],
)
def test_grades(tmp_path: Path, value: Any, expected: bool | None) -> None:
    path = log(tmp_path, {"id": "a", "target": "t", "scores": {"s": {"value": value}}})
    assert read_predictions(path).table["correct"].to_list() == [expected]


def test_an_invalidated_sample_is_unscored(tmp_path: Path) -> None:
    sample = {"target": "t", "scores": {"s": {"value": "C", "answer": "t"}}}
    invalid = {**sample, "id": "b", "invalidation": {"author": "me", "reason": "the sandbox was down"}}
    table = read_predictions(log(tmp_path, {**sample, "id": "a"}, invalid)).table
    assert table["correct"].to_list() == [True, None]
    assert table["prediction"].to_list() == ["t", None]


@pytest.mark.parametrize("value", ["good", [1, 0], float("inf"), "-Infinity"])
def test_what_is_no_grade(tmp_path: Path, value: Any) -> None:
    path = log(tmp_path, {"id": "a", "target": "t", "scores": {"s": {"value": value}}})
    with pytest.raises(DataError, match="sample a: s is .* neither a number nor one of C, P, I, N"):
        read_predictions(path)


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_zip_that_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="x.zip: not a log of Inspect"):
        read_predictions(packed(tmp_path / "x.zip", {"readme": b"hello"}))


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stillright.importers.inspect.MEMBER_BYTES", 10**6)
    head = b'{"eval": {"task": "t", "model": "m"}}'
    path = packed(tmp_path / "bomb.eval", {"header.json": head, "samples/1.json": bytes(10**7)})
    with pytest.raises(DataError, match=r"samples/1\.json: unpacks to more than 1,000,000 bytes"):
        read_predictions(path)


def test_what_unpacking_takes_counts_beside_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stillright.bounds.MEMORY_BYTES", 35 * 10**5)
    monkeypatch.setattr("stillright.importers.inspect.UNPACKING_BYTES", 2 * 10**6)
    sample = b'{"id": %d, "target": "a", "scores": {"match": {"value": "C"}}, "input": "%s"}'
    samples = {f"samples/{i}.json": sample % (i, b" " * 10**6) for i in (1, 2)}
    path = packed(tmp_path / "bombs.eval", {"header.json": b'{"eval": {"task": "t", "model": "m"}}', **samples})
    with pytest.raises(DataError, match=r"samples/2\.json: objects and lists of some 2,0.* more than 1,500,000"):
        read_predictions(path)


def test_a_damaged_name_in_a_zip_is_not_quoted_at_length(tmp_path: Path) -> None:
    head = b'{"eval": {"task": "t", "model": "m"}}'
    path = packed(tmp_path / "damaged.eval", {"header.json": head, "x": b"x" * 9000})
    content = bytearray(path.read_bytes())
    content[26:28] = (8000).to_bytes(2, "little")  # the length of the first name, in its own header
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a log of Inspect, or damaged .File name in directory") as raised:
        read_predictions(path)
    assert len(str(raised.value)) < 500


def test_a_cut_zip(tmp_path: Path) -> None:
    path = tmp_path / "cut.eval"
    path.write_bytes((LOGS / "words.eval").read_bytes()[:-100])
    with pytest.raises(DataError, match="cut.eval: not a log of Inspect, or damaged"):
        read_predictions(path)
