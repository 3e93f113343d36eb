"""Parquet: what a page does to its reader stays with that reader."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from stillright.errors import DataError
from stillright.importers import parquet, read_predictions

DAMAGED = Path(__file__).parent.parent / "logs" / "parquet" / "damaged_page.parquet"
ROWS = {"id": ["1", "2"], "prediction": ["A", None], "reference": ["A", "B"]}


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_predictions(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message.removeprefix(str(path))


def test_a_page_that_aborts_polars_is_refused() -> None:
    # one byte says that a mask of two rows takes 2 ** 61 bytes; the footer is whole
    assert parquet.schema(DAMAGED).names() == list(ROWS)
    assert refusal(DAMAGED).startswith(": damaged, or unpacks to more than 268,435,456 bytes; reading it ended")


def test_a_page_that_unpacks_to_more_memory_than_it_may_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame(ROWS | {"output": ["x" * 2**24, "y" * 2**24]}).write_parquet(path, compression="zstd")
    assert path.stat().st_size < 2**16
    assert len(read_predictions(path).table) == 2
    monkeypatch.setattr("stillright.bounds.UNPACKED_BYTES", 2**16)
    assert refusal(path).startswith(": unpacks to 33,554,")
    monkeypatch.setattr("stillright.importers.parquet.OWN_BYTES", 2**24)
    assert refusal(path).startswith(": damaged, or unpacks to more than 65,536 bytes; reading it ended the reader (")


def test_a_reader_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame(ROWS).write_parquet(path)
    hangs = tmp_path / "hangs.py"
    hangs.write_text("import threading\nthreading.Event().wait()\n")
    monkeypatch.setattr("stillright.importers.parquet_pages.__file__", str(hangs))
    monkeypatch.setattr("stillright.importers.parquet.PATIENCE", 0.2)
    assert refusal(path) == ": damaged, or on a slow disk: not read within 0 s; copy it first"


def test_texts_that_share_their_memory_are_counted_as_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    asked = [{"query": "x" * 1000, "choices": ["y" * 500, "z" * 500], "other": 1}] * 100
    pl.DataFrame({"doc": asked}).write_parquet(path)
    assert parquet.read(path, {"doc": ["query"]}).to_dicts() == [{"doc": {"query": "x" * 1000}}] * 100
    monkeypatch.setattr("stillright.bounds.UNPACKED_BYTES", 200_000)
    with pytest.raises(DataError, match=r"unpacks to 201,600 bytes, more than 200,000; write it as JSONL"):
        # a text of 1,000 letters; 16 for a list and two texts of 500
        parquet.read(path, {"doc": ["query", "choices"]})


def test_files_of_the_working_folder_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pl.DataFrame(ROWS).write_parquet(tmp_path / "a.parquet")
    for module in ("json", "polars"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    assert read_predictions(Path("a.parquet")).table["prediction"].to_list() == ["A", None]
