"""Results that are elsewhere, in a file system in memory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from places import LOGS
from stillright.errors import DataError, MissingExtra
from stillright.importers import Selection, read_predictions


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> MemoryFileSystem:
    """A bucket, s3://b."""
    system = MemoryFileSystem()
    system.store.clear()
    monkeypatch.setattr("fsspec.url_to_fs", lambda url: (system, "/" + url.partition("://")[2]))
    return system


def test_a_file(bucket: MemoryFileSystem) -> None:
    bucket.pipe("/b/old.jsonl", b'{"id": 1, "prediction": "A", "reference": "A"}\n')
    found = read_predictions("s3://b/old.jsonl")
    assert (found.name, found.table["prediction"].to_list()) == ("old", ["A"])


def test_a_folder(bucket: MemoryFileSystem) -> None:
    here = next(LOGS.glob("helm/*"))
    for file in here.iterdir():
        bucket.pipe(f"/b/runs/{here.name}/{file.name}", file.read_bytes())
    found = read_predictions(f"gs://b/runs/{here.name}", Selection(metric="exact_match"))
    assert found.table.equals(read_predictions(here, Selection(metric="exact_match")).table)


def test_errors_name_the_address(bucket: MemoryFileSystem) -> None:
    bucket.pipe("/b/old.jsonl", b'{"id": 1, "score": x}\n')
    with pytest.raises(DataError, match=r"^s3://b/old\.jsonl:1: not JSON"):
        read_predictions("s3://b/old.jsonl")
    with pytest.raises(DataError, match=r"^s3://b/none\.jsonl: cannot be read \(FileNotFoundError"):
        read_predictions("s3://b/none.jsonl")


def test_a_file_that_is_too_large_is_not_copied(bucket: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stillright.importers.remote.LIMIT_BYTES", 5)
    bucket.pipe("/b/old.jsonl", b"123456")
    with pytest.raises(DataError, match=r"6 bytes, more than 5; copy what is to be read yourself"):
        read_predictions("s3://b/old.jsonl")


@pytest.mark.parametrize("url", ["http://b/old.jsonl", "file:///etc/hosts", "x://b/y"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(DataError, match="known are s3://, gs://, hf://, https://"):
        read_predictions(url)


def test_an_address_without_a_name_is_refused() -> None:
    with pytest.raises(DataError, match="s3://b/: names no file or folder"):
        read_predictions("s3://b/")


def test_a_listing_cannot_leave_the_folder(
    bucket: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bucket, "find", lambda root, detail: {f"{root}/../../x": {"size": 1}})
    with pytest.raises(DataError, match="a file outside the folder that was asked for"):
        read_predictions("s3://b/runs")


def test_without_the_extra_one_line_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtra, match=r"pip install 'stillright\[remote\]'$"):
        read_predictions("s3://b/old.jsonl")
