"""Clean blocks are read as columns; whatever they hold, the result is the strict reader's, and so is the error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillright import jsonl
from stillright.errors import DataError
from stillright.importers import Selection, read_predictions
from stillright.importers import jsonl as own
from stillright.importers.clean_lines import clean_columns
from stillright.records import COLUMNS

CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]  # each example sets all that it needs
CLEAN = [
    b'{"id": "a", "prediction": "B", "reference": "B"}\n{"id": "b", "prediction": "C", "reference": "B"}\n',
    b'{"id":"a","prediction":"B","reference":"B"}\n',
    b'{"id": 1, "prediction": 18, "reference": "18"}\n{"id": -2, "prediction": 7, "reference": "7"}\n',
    b'{"id": "a", "score": 1, "output": "x"}\n{"id": "b", "score": 0.30000000000000004, "output": "y"}\n',
    b'{"id": "a", "correct": true, "choices": 4}\n{"id": "b", "correct": false, "choices": 2}\n',
    b'{"id": "a", "prediction": "B", "queue": "billing", "seconds": 1}\n{"id": "b", "seconds": 1.5}\n',
    b'{"id": "a", "output": "say \\"id\\": \\"b\\", or \\\\", "score": 0.5}\n',
    b'{"id": "\\u00e9", "prediction": "\xc3\xa9"}\n\n  \n{"id": "b", "prediction": ""}',
    b'{"id": "a"}\n{"id": "b"}\n',
    b'{"id": "a:1", "prediction": "B: x"}\n{"id": "b:2", "prediction": "b::"}\n',
    b'{"id": "a", "prediction": "B"}\n{"id": "a", "prediction": "B"}\n',
    b'{"id": "a", "prediction": "[\\"B\\", \\"C\\"]", "reference": "[\\"B\\", \\"C\\"]"}\n',
]
ODD = [
    b'{"header": {"name": "m"}}\n{"id": "a", "prediction": "B"}\n',
    b'{"header": "m"}\n{"id": "a", "prediction": "B"}\n',
    b'{"id": "a", "prediction": "B"}\n{"header": {"name": "m"}}\n',
    b'{"id": "a", "prediction": null}\n{"id": "b", "prediction": "B"}\n',
    b'{"id": "a", "prediction": "B"}\n{"id": "b", "prediction": null}\n',
    b'{"id": "a", "prediction": "B"}\n{"id": 2, "prediction": "B"}\n',
    b'{"id": "a", "prediction": "B"}\n{"id": "b", "prediction": 1.0}\n',
    b'{"id": "a", "prediction": "B"}\n{"id": "b", "prediction": true}\n',
    b'{"id": "a", "prediction": "B"}\n{"id": "b", "prediction": ["B"]}\n',
    b'{"id": "a", "prediction": "B"}\n{"id": "b", "prediction": {"id": "c"}}\n',
    b'{"id": 1, "prediction": "B"}\n{"id": 2.0, "prediction": "B"}\n',
    b'{"id": 1, "prediction": "B"}\n{"id": 1e300, "prediction": "B"}\n',
    b'{"id": 1.5, "prediction": "B"}\n',
    b'{"id": 12345678901234567890123, "prediction": "B"}\n',
    b'{"id": "a", "id": "b", "prediction": "B"}\n',
    b'{"id": "a", "prediction": "B", "prediction": null}\n',
    b'{"id": "a", "prediction" : 1.0, "prediction": "B"}\n{"id": "b", "more": "B"}\n',
    b'{"id": "a", "prediction": "B", "i\\u0064": "b"}\n',
    b'{"id": "a:1", "prediction" : "B"}\n',
    b'{"id": "a:1", "prediction": null}\n{"id": "b", "prediction": "B"}\n',
    b'{"id": "a", "prediction": "B", "doc": {"id": "b"}}\n',
    b'{"id": "a", "prediction": "B", "reference": ["B", "C"]}\n',
    b'{"id": "a", "correct": 1}\n{"id": "b", "correct": 0}\n',
    b'{"id": "a", "correct": true}\n{"id": "b", "correct": 0}\n',
    b'{"id": "a", "correct": "true"}\n',
    b'{"id": "a", "score": true}\n',
    b'{"id": "a", "score": 1}\n{"id": "b", "score": false}\n',
    b'{"id": "a", "score": 0.5}\n{"id": "b", "score": "0.5"}\n',
    b'{"id": "a", "score": 0.5}\n{"id": "b", "score": NaN}\n',
    b'{"id": "a", "score": 1e400}\n',
    b'{"id": "a", "choices": 4.0, "correct": true}\n',
    b'{"id": "a", "choices": -1, "correct": true}\n',
    b'{"id": "a", "prediction": "\\ud800"}\n',
    b'{"id": "a", "prediction": "\\ud83d\\ude00"}\n',
    b'{"id": "a", "prediction": "\xff"}\n',
    b'{"id": "a", "prediction": "B"}\n{"id": "b", "prediction": "B"\n',
    b'{"id": "a", "prediction": "B"}{"id": "b", "prediction": "B"}\n',
    b'{"id": "a", "prediction": "B"} and more\n',
    b'{"id": "a", "prediction": "B"}\nnull\n',
    b'{"id": "a", "prediction": "B"}\n[1]\n',
    b'{"id": "a", "prediction": "B"}\r\n{"id": "b", "prediction": "C"}\r\n',
    b'\n{"id": "a", "prediction": "B"}\n',
    b'\xef\xbb\xbf{"id": "a", "prediction": "B"}\n',
    b'{"question": "a", "answer": "B"}\n',
    b'{"id": "a", "prediction": "B", "x": ' + b"[" * 3000 + b"]" * 3000 + b"}\n",
]


def found(read: Callable[[], pl.DataFrame]) -> pl.DataFrame | str:
    try:
        return read()
    except DataError as error:
        return str(error)


def assert_read_alike(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for selection in (Selection(), Selection(columns=("queue",)), Selection(anew=True)):
        both = []
        for reader in (clean_columns, lambda *_: None):
            monkeypatch.setattr(own, "clean_columns", reader)
            both.append(found(lambda: own.read_jsonl(path, selection).table))  # noqa: B023 - called at once
        if isinstance(both[0], str) or isinstance(both[1], str):
            assert both[0] == both[1]
        else:
            assert both[0].schema == both[1].schema
            assert both[0].equals(both[1])


@pytest.mark.parametrize("data", CLEAN)
def test_clean_lines_are_read_as_columns(data: bytes) -> None:
    assert clean_columns(data, COLUMNS) is not None


@pytest.mark.parametrize("data", ODD)
def test_all_else_is_left_to_the_strict_reader(data: bytes) -> None:
    assert clean_columns(data, COLUMNS) is None


@pytest.mark.parametrize("data", [*CLEAN, *ODD])
def test_both_readers_find_the_same(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "old.jsonl"
    path.write_bytes(data)
    assert_read_alike(path, monkeypatch)


@settings(max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=CHECKS)
@given(data=st.data())
def test_both_find_the_same_in_any_lines(data: st.DataObject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = st.one_of(
        st.text(max_size=8),
        st.integers(),
        st.floats(),
        st.booleans(),
        st.none(),
        st.lists(st.text(max_size=3), max_size=2),
    )
    keys = st.sampled_from(
        ["id", "prediction", "reference", "correct", "score", "output", "choices", "queue", "header"]
    )
    alike = data.draw(st.dictionaries(keys, values, min_size=1))
    rows = data.draw(st.lists(st.one_of(st.just(alike), st.dictionaries(keys, values, min_size=1)), max_size=4))
    lines = "".join(json.dumps(row, ensure_ascii=data.draw(st.booleans())) + "\n" for row in [alike, *rows])
    written = lines.encode("utf-8", "replace")
    at = data.draw(st.integers(0, len(written)))
    written = (
        written[:at] + data.draw(st.sampled_from([b"", b"", b"}", b'"', b" :", b"\\", b"\x00", b"null"])) + written[at:]
    )
    path = tmp_path / "old.jsonl"
    path.write_bytes(written)
    assert_read_alike(path, monkeypatch)


def test_the_line_of_an_error_is_counted_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 100)
    lines = [f'{{"id": "{i}", "prediction": "B", "reference": "B"}}\n' for i in range(50)]
    path = tmp_path / "old.jsonl"
    path.write_text("".join(lines))
    assert read_predictions(path).table["id"].to_list() == [str(i) for i in range(50)]
    lines[40] = '{"id": "40", "prediction": [1], "reference": "B"}\n'
    lines[44] = "{\n"
    path.write_text("".join(lines))
    with pytest.raises(DataError, match=r"old.jsonl:41: prediction: Expected"):
        read_predictions(path)


def test_an_error_of_the_file_comes_after_those_of_the_lines_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 40)
    monkeypatch.setattr(jsonl, "LINE_BYTES", 60)
    path = tmp_path / "old.jsonl"
    long = '{"id": "2", "prediction": "' + "B" * 200 + '"}\n'
    path.write_text('{"id": "1", "prediction": "B", "score": "x"}\n' + long)
    with pytest.raises(DataError, match=r"old.jsonl:1: score"):
        read_predictions(path)
    path.write_text('{"id": "1", "prediction": "B", "correct": true}\n' + long)
    with pytest.raises(DataError, match="a line of more than 60 bytes"):
        read_predictions(path)
