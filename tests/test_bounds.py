"""Files that hold more than results would are refused in one line, whatever they say of their size."""

from __future__ import annotations

import gzip
import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from samples import write_rows
from stillright import bounds
from stillright.errors import DataError
from stillright.importers import Selection, read_predictions

ROW = '{"id": %d, "prediction": "a", "reference": "a"}\n'


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that small files reach."""
    for name, value in {
        "UNPACKED_BYTES": 100_000,
        "MEMORY_BYTES": 1_000_000,
        "ROWS": 2000,
        "BLANK_LINES": 1000,
        "TEXT_BYTES": 10_000,
        "ANSWERS": 100,
        "ALL_ANSWERS": 1000,
    }.items():
        monkeypatch.setattr(bounds, name, value)
    monkeypatch.setattr("stillright.importers.delimited.LINE_CHARACTERS", 20_000)


def refusal(path: Path, content: str | bytes, selection: Selection | None = None) -> str:
    """The error for a file of this content, without its path."""
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    with pytest.raises(DataError) as caught:
        read_predictions(path, selection)
    line = str(caught.value)
    assert line.startswith(str(path))
    assert len(line) < 1000
    assert "\n" not in line
    return line.removeprefix(str(path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl.gz", "".join(ROW % i for i in range(3000))),
        ("rows.csv.gz", "id,prediction\n" + f"1,{'a' * 90}\n" * 1900),
        ("list.json.gz", "[" + '{"id": 1},' * 20_000 + "{}]"),
        ("line.jsonl.gz", '{"id": "' + "x" * 200_000),
    ],
)
def test_what_unpacks_to_more_than_it_may(tmp_path: Path, name: str, content: str) -> None:
    assert refusal(tmp_path / name, content).startswith(": unpacks to more than 100,000 bytes")


def test_many_members_of_a_gzip_count_together(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n" * 900) * 200)
    with pytest.raises(DataError, match="unpacks to more than 100,000 bytes"):
        read_predictions(path)


def test_a_zip_that_lies_about_its_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stillright.importers.inspect.MEMBER_BYTES", 5000)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", '{"eval": {"task": "t", "model": "m"}}')
        archive.writestr("samples/1.json", b" " * 9999)
    lying = file.getvalue().replace((9999).to_bytes(4, "little"), (99).to_bytes(4, "little"))
    assert refusal(tmp_path / "honest.eval", file.getvalue()).startswith(": samples/1.json: unpacks to more than 5,000")
    assert refusal(tmp_path / "lying.eval", lying).startswith(": not a log of Inspect, or damaged")


def test_samples_of_an_archive_count_together(tmp_path: Path) -> None:
    file = io.BytesIO()
    sample: dict[str, Any] = {"scores": {"m": {"value": 1}}, "target": "a", "metadata": {"a": [[]] * 1000}}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", '{"eval": {"task": "t", "model": "m"}}')
        for i in range(20):
            archive.writestr(f"samples/{i}.json", json.dumps({"id": i, **sample}))
    assert "objects and lists of some" in refusal(tmp_path / "log.eval", file.getvalue())


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("own.jsonl", ROW % 1 + '{"id": 2, "header": ' + "[" * 20 + "[]," * 9000, ":1: objects"),
        ("list.json", "[" + "{}," * 9000 + "{}]", ":1: objects"),
        ("harness.jsonl", '{"doc_id": 1, "resps": [], "doc": [' + "[]," * 9000 + "1]}\n", ":1: objects"),
        ("many.jsonl", '{"doc_id": 1, "resps": [[[]]], "a": {"b": {}}}\n' * 1800, ":"),
    ],
)
def test_more_objects_than_memory_is_for(tmp_path: Path, name: str, content: str, place: str) -> None:
    line = refusal(tmp_path / name, content)
    assert line.startswith(place)
    assert "bytes in memory, more than" in line


def test_a_larger_plain_file_may_hold_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MEMORY_BYTES", 1000)
    path = tmp_path / "list.json"
    path.write_text(json.dumps([{"id": i, "prediction": "a " * 100} for i in range(20)]))  # ten bytes of it for each
    assert len(read_predictions(path).table) == 20


def test_nothing_but_blank_lines(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a.jsonl", "\n" * 5000) == ":1: more than 1,000 blank lines; write one sample per line"
    assert refusal(tmp_path / "a.csv", "id,prediction\n" + "\n" * 5000).startswith(":1002: more than 1,000 blank lines")


def test_a_text_too_long_names_its_row(tmp_path: Path) -> None:
    rows = ROW % 1 + json.dumps({"id": "2", "output": "x" * 10_001}) + "\n"
    expected = ": output: a text of more than 10,000 bytes (row 2, id '2')"
    assert refusal(tmp_path / "a.jsonl", rows) == expected
    assert refusal(tmp_path / "a.csv", f"id,output\n1,a\n2,{'x' * 10_001}\n").startswith(
        ":3: a cell of more than 10,000"
    )
    assert refusal(tmp_path / "b.csv", f'id,output\n1,"{"x" * 25_000}').startswith(":2: a line of more than 20,000")


def test_right_answers_are_counted(tmp_path: Path) -> None:
    row = {"id": "1", "prediction": "a", "reference": list(range(101))}
    assert refusal(tmp_path / "a.jsonl", json.dumps(row)) == ": more than 100 right answers (row 1, id '1')"
    rows = "".join(json.dumps({**row, "id": i, "reference": list(range(90))}) + "\n" for i in range(20))
    assert refusal(tmp_path / "a.jsonl", rows) == ": more than 1,000 right answers up to row 20"


def test_rows_are_counted_over_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stillright.importers.tables.ROWS", 4)
    monkeypatch.setattr("stillright.importers.delimited.ROWS", 4)
    rows = "".join(f"{i},a,2\n" for i in range(10)) + "10,a,-1\n"
    assert refusal(tmp_path / "a.csv", f"id,prediction,choices\n{rows}") == ": row 11: choices: -1 is not a count"
    records = "".join(json.dumps({"id": i, "answer": "a"}) + "\n" for i in range(10)) + '{"id": [], "answer": "b"}'
    found = refusal(tmp_path / "a.jsonl", records, Selection(rename={"prediction": "answer"}))
    assert found == ": row 11: id: a list is not text"


def test_equal_rows_of_parquet_are_counted_as_written_out(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"id": ["a"] * 5000, "prediction": ["a"] * 5000}).write_parquet(path)
    assert refusal(path, path.read_bytes()) == ": more than 2,000 rows, too many for a file of its size; split it"
    pl.DataFrame({"id": ["a"] * 50, "prediction": ["x" * 9000] * 50}).write_parquet(path)
    assert refusal(path, path.read_bytes()).startswith(": unpacks to 450,050 bytes, more than 100,000")


def test_rows_are_limited_but_for_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ": more than 2,000 rows, too many for a file of its size; split it"
    assert refusal(tmp_path / "a.csv", "id,score\n" + "".join(f"{i},1\n" for i in range(2001))) == expected
    assert refusal(tmp_path / "a.jsonl", "".join(f'{{"id":{i},"score":1}}\n' for i in range(2001))) == expected
    long = tmp_path / "long.csv"
    long.write_text("id,prediction\n" + "".join(f"{i},{'a' * 40}\n" for i in range(2001)))
    assert len(read_predictions(long).table) == 2001


def test_many_columns_take_no_square_of_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stillright.importers.delimited.LINE_CHARACTERS", 10**8)
    names = [f"column number {i}" for i in range(100_000)]
    started = time.process_time()
    several = refusal(tmp_path / "a.csv", ",".join(["id", "prediction", *names, names[7]]) + "\n")
    missing = refusal(tmp_path / "b.csv", ",".join(names) + "\n")
    assert time.process_time() - started < 10
    assert several == ": several columns are called column number 7"
    assert missing.startswith(": no column id, and none renamed to it; there is column number 0, ")


def test_what_is_within_the_bounds_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("".join(ROW % i for i in range(1000)).encode()))
    assert len(read_predictions(path).table) == 1000
    plain = write_rows(tmp_path / "b.jsonl", [{"id": i, "output": "x" * 9000, "score": 1} for i in range(30)])
    assert len(read_predictions(plain).table) == 30
    packed = tmp_path / "c.json.gz"
    packed.write_bytes(gzip.compress(json.dumps([{"id": 1, "prediction": "a"}]).encode()))
    assert len(read_predictions(packed).table) == 1


def test_only_a_plain_file_that_cannot_reach_the_limit_goes_unweighed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MEMORY_BYTES", 10 * bounds.MEMORY_OF_A_BYTE)  # ten bytes of any JSON
    sizes = {"ten.jsonl": 10, "eleven.jsonl": 11, "ten.jsonl.gz": 10}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"{" * size)
    assert [bounds.is_light(tmp_path / name) for name in sizes] == [True, False, False]
    assert not bounds.is_light(tmp_path)


def test_wide_lines_weigh_more_than_narrow_ones() -> None:
    narrow, wide = b'{"a": 1}\n', '{"é": 1}\n'.encode()
    marks = 250 + 60  # an object and a key
    assert bounds.memory_of_lines(narrow * 2) == 2 * (9 + marks)
    assert bounds.memory_of_lines(narrow + wide) == 8 + marks + 4 * 9 + marks  # without their line feeds
