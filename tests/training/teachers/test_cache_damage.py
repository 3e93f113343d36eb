"""A cache that is interrupted or damaged: continued, made again, or refused, but never read as it is."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from caches import IDS, TEXTS, cached
from stillright.errors import RunError
from stillright.forward import trees
from stillright.training.teachers import cache_writing
from stillright.training.teachers.cache_files import open_cache
from stillright.training.teachers.cache_writing import DONE
from stillright.training.teachers.cached_teachers import CachedTeachers
from stillright.training.teachers.forms import Form, Hidden, Sampled


@pytest.mark.parametrize("form", [Hidden(), Sampled(5, 2.0)], ids=["hidden", "sampled"])
def test_an_interrupted_teacher_goes_on(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    monkeypatch.setattr(trees, "BATCH_TOKENS", 5)  # a batch per text
    cached(model, TEXTS, tmp_path / "whole", form)
    write, calls = cache_writing._write_batch, iter(range(10))

    def interrupted(*args: Any) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        write(*args)

    monkeypatch.setattr(cache_writing, "_write_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached(model, TEXTS, tmp_path / "broken", form)
    assert len(list((tmp_path / "broken" / DONE).iterdir())) == 2
    written: list[int] = []

    def counted(base: Any, head: Any, spec: Any, numbers: list[int], *rest: Any) -> None:
        written.append(len(numbers))
        write(base, head, spec, numbers, *rest)

    monkeypatch.setattr(cache_writing, "_write_batch", counted)
    cached(model, TEXTS, tmp_path / "broken", form)
    assert written == [1, 1]  # the two that were left
    files = {path.name for path in (tmp_path / "whole").iterdir()}
    assert files == {path.name for path in (tmp_path / "broken").iterdir()} > {"logp.bin", "prediction.bin"}
    for name in files:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes(), name


def shortened(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 3)


def zeroed(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


@pytest.mark.parametrize("damage", [shortened, zeroed, Path.unlink], ids=["shortened", "zeroed", "removed"])
@pytest.mark.parametrize(
    ("form", "name"),
    [(Hidden(), "hidden"), *((Sampled(5, 2.0), name) for name in ("ids", "entropy", "prediction", "logp"))],
    ids=["hidden", "ids", "entropy", "prediction", "logp"],
)
def test_what_is_damaged_after_an_interruption_is_made_again(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None], form: Form, name: str
) -> None:
    monkeypatch.setattr(trees, "BATCH_TOKENS", 5)  # a batch per text
    cached(model, TEXTS, tmp_path / "whole", form)
    write, last = cache_writing._write_batch, IDS.index(max(IDS, key=len))

    def interrupted(base: Any, head: Any, spec: Any, numbers: list[int], *rest: Any) -> None:
        if numbers == [last]:
            raise KeyboardInterrupt
        write(base, head, spec, numbers, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(cache_writing, "_write_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cached(model, TEXTS, tmp_path / "broken", form)
    damage(tmp_path / "broken" / f"{name}.bin")
    cached(model, TEXTS, tmp_path / "broken", form)
    for file in (tmp_path / "whole").iterdir():
        assert file.read_bytes() == (tmp_path / "broken" / file.name).read_bytes(), file.name


def lengthened(file: Path) -> None:
    os.truncate(file, file.stat().st_size + 8)


CHANGES: dict[str, Callable[[Path], None]] = {
    "shortened": shortened,
    "lengthened": lengthened,
    "removed": Path.unlink,
    "zeroed": zeroed,
}


FILES = ["hidden.bin", "prediction.bin", "logp.bin", "head.safetensors"]


@pytest.mark.parametrize(
    ("change", "name"), [*itertools.product(CHANGES, FILES), ("shortened", "teacher.json"), ("removed", "teacher.json")]
)
def test_what_is_damaged_when_it_is_opened_is_refused(model: Any, tmp_path: Path, change: str, name: str) -> None:
    """By the name of its file; and nothing is written, which would make a missing or short file whole with zeros."""
    for role in ("old", "new"):
        cached(model, TEXTS, tmp_path / role)
    folders = tmp_path / "old", tmp_path / "new"
    CachedTeachers.open(*folders)
    CHANGES[change](tmp_path / "new" / name)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(RunError) as caught:
        CachedTeachers.open(*folders)
    message = str(caught.value)
    assert message.startswith(
        f"{tmp_path}/new/{name}: is {'missing' if change == 'removed' else 'not as it was written'}; "
    )
    assert message.endswith(f"; delete {tmp_path}/new and start again, which caches the outputs of this teacher anew")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_cache_that_must_not_be_written_is_read(model: Any, tmp_path: Path) -> None:
    cached(model, TEXTS, tmp_path)
    for path in tmp_path.iterdir():
        path.chmod(0o444)
    outputs = open_cache(tmp_path).outputs
    before = (tmp_path / "logp.bin").read_bytes()
    outputs.logp.zero_()  # of memory, not of the file
    assert (tmp_path / "logp.bin").read_bytes() == before
