"""What a path is, is found out from its name and content; what it is not ends in one line."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import stillright.importers
from places import LOGS
from stillright.errors import DataError
from stillright.importers import Selection, read_predictions


def test_public_names_are_sorted() -> None:
    assert stillright.importers.__all__ == sorted(stillright.importers.__all__)


@pytest.mark.parametrize(
    ("log", "selection"),
    [
        ("harness/choice/*/samples_*.jsonl", Selection()),
        ("inspect/choice.eval", Selection()),
        ("inspect/choice.json", Selection()),
        ("promptfoo/models.json", Selection(model="terse")),
        ("promptfoo/models.jsonl", Selection()),
    ],
)
def test_names_do_not_matter_where_content_tells(tmp_path: Path, log: str, selection: Selection) -> None:
    original = next(LOGS.glob(log))
    renamed = tmp_path / ("renamed" + original.suffix)
    renamed.write_bytes(original.read_bytes())
    assert read_predictions(renamed, selection).table.equals(read_predictions(original, selection).table)


def test_one_object_over_many_lines_is_one_over_one(tmp_path: Path) -> None:
    original = LOGS / "inspect" / "choice.json"
    compact = tmp_path / "compact.json"
    compact.write_text(json.dumps(json.loads(original.read_text())))
    assert read_predictions(compact).table.equals(read_predictions(original).table)


def test_packed_samples(tmp_path: Path) -> None:
    original = next(LOGS.glob("harness/choice/*/samples_*.jsonl"))
    packed = tmp_path / (original.name + ".gz")
    packed.write_bytes(gzip.compress(original.read_bytes()))
    assert read_predictions(tmp_path).table.equals(read_predictions(original).table)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "no samples; write one JSON object per line"),
        ("a.json", b"", "no"),
        ("a.json", b"[]", "no column id"),
        ("a.json", b"[1, 2]", "Expected object"),
        ("a.json", b'{"id": 1', "not JSON"),
        ("a.jsonl", b'{"id": 1, "score": 1}\n{"id": 2', "a.jsonl:2: not JSON"),
        ("a.jsonl", b"\x89PNG\r\n\x1a\n\x00\x00", "unknown format; known are stillright's own JSONL"),
        (
            "a.html",
            b"<!DOCTYPE html>\n<html>",
            "logs of lm-evaluation-harness, Inspect, promptfoo, ",
        ),
        ("a.jsonl", b'{"id":"a","score":NaN}', "a.jsonl:1: NaN is not JSON; write null for a missing value"),
        ("a.jsonl", b'{"id":"a","score":-Infinity}', "a.jsonl:1: Infinity is not JSON"),
        ("a.jsonl", b'{"ID":"a","score":1}', "there is ID, score; name it with column id=ID"),
        ("a.jsonl", b'{"header":{}}\n{"key":"a","score":1}', "there is key, score; name it with column id=THEIRS"),
        ("a.jsonl", b'{"id":"a","prediction":"A","refrence":"A"}', "name it with column reference=refrence"),
        ("a.csv", b"id,prediction,refrence\na,A,A", "name it with column reference=refrence"),
        ("a.jsonl", b'{"id":"NaN","score":x}', "a.jsonl:1: not JSON"),
        ("a.jsonl", b'{"id":"a","correct":2}', "a.jsonl: row 1: correct: 2 is neither true nor false"),
        ("a.jsonl", '{"id": 1}'.encode("utf-16"), "re-encode the file as UTF-8"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8"),
        ("a.jsonl.gz", b"no gzip", "damaged or cut off"),
        ("a.eval", b"PK\x03\x04 cut", "not a log of Inspect"),
        ("a.parquet", b"PAR1 cut", "not Parquet, or damaged"),
    ],
)
def test_what_is_nothing(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("log", "chosen", "message"),
    [
        (
            "harness/flat",
            {"run": 2},
            "does not record a run, so run=2 cannot apply to it; apply it to the other files only",
        ),
        ("harness/flat", {"prompt": "x"}, "does not record a prompt"),
        ("harness/flat", {"model": "x"}, "no model 'x'; there is "),
        ("inspect/choice.eval", {"filter": "x"}, "does not record a filter, so filter=x cannot apply to it"),
        ("inspect/choice.eval", {"prompt": "x"}, "(in a command: FILE::prompt=x)"),
        ("inspect/choice.json", {"model": "x"}, "no model 'x'; there is mockllm/model"),
        ("promptfoo/models.json", {"model": "terse", "filter": "x"}, "does not record a filter"),
        (
            "harness/flat",
            {"rename": {"prediction": "x"}},
            "apply prediction=x to tables only (in a command: FILE::prediction=x)",
        ),
        (
            "inspect/choice.json",
            {"rename": {"prediction": "x"}},
            "is a log, where nothing can be renamed to prediction",
        ),
        (
            "promptfoo/models.json",
            {"rename": {"prediction": "x"}},
            "is a log, where nothing can be renamed to prediction",
        ),
    ],
)
def test_what_a_format_does_not_know_is_no_choice(log: str, chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=log) as caught:
        read_predictions(LOGS / log, Selection(**chosen))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("log", "model"),
    [
        ("inspect/choice.eval", "mockllm/model"),
        ("harness/choice", "tiny-llama"),
        ("harness/choice", "/tmp/stillright-logs/harness/tiny-llama"),
    ],
)
def test_the_model_that_a_log_names_may_be_chosen(log: str, model: str) -> None:
    assert read_predictions(LOGS / log, Selection(model=model)).table.equals(read_predictions(LOGS / log).table)


def test_samples_without_results_name_no_model(tmp_path: Path) -> None:
    original = next(LOGS.glob("harness/choice/*/samples_*.jsonl"))
    (tmp_path / original.name).write_bytes(original.read_bytes())
    with pytest.raises(DataError, match="does not record a model"):
        read_predictions(tmp_path, Selection(model="tiny-llama"))


def test_one_and_zero_are_verdicts(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1, "correct": 1}\n{"id": 2, "correct": 0}\n{"id": 3, "correct": true}\n{"id": 4}\n')
    assert read_predictions(path).table["correct"].to_list() == [True, False, True, None]


def test_an_endless_line_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stillright.jsonl.BLOCK_BYTES", 100)
    monkeypatch.setattr("stillright.jsonl.LINE_BYTES", 1000)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": 1, "score": 1}\n{"id": 2, "output": "' + b"x" * 10**6))
    with pytest.raises(DataError, match="a.jsonl.gz: a line of more than 1,000 bytes"):
        read_predictions(path)


def test_no_file_and_a_folder_without_logs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such file"):
        read_predictions(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no samples_.*name the file itself$"):
        read_predictions(tmp_path)
    (tmp_path / "old.jsonl").touch()
    with pytest.raises(DataError, match="name the file itself, such as .*old.jsonl$"):
        read_predictions(tmp_path)


def test_a_format_is_imported_when_it_is_met() -> None:
    code = (
        "import sys, stillright.importers as i; print({i.__name__ + '.inspect', 'backports.zstd'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
