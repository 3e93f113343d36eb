"""Faults of what a run needs: disk, lock, models, data, hub. The command refuses in one line, or does without.

After a fault that passes, such as a full disk, the same command must finish, with an undisturbed result.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import filelock
from safetensors.torch import load_file, save_file

from torture.apart import Work
from torture.jobs import TINY, UPDATE, Job
from torture.kills import Undisturbed, fault_of_finish, on_operations, outcome
from torture.table import Tally

ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES, errno.EROFS)
SHARES = (0.02, 0.2, 0.4, 0.6, 0.8, 0.97)  # of an undisturbed run's operations, where one fails
SIZES = ("64k", "1m", "2m")  # of a disk on which a run does not fit
PLACES = ("out", "out/.stillright", "out/adapters", "out/predictions")
Change = Callable[[Path], dict[str, Any]]


def failing_operation(known: Undisturbed, folder: Path, number: int, share: float) -> Tally:
    """The operating system refuses one operation on a file, and all that follow, until the process has ended."""
    first = max(1, int(share * known.operations))

    def fail(count: int, path: str) -> None:
        if count >= first:
            raise OSError(number, os.strerror(number), path)

    found = outcome(known.job, folder, known.result, lambda: on_operations(folder / "out", fail))
    return _passing(known, folder, f"{errno.errorcode[number]} from operation {first} on", *found)


def _passing(known: Undisturbed, folder: Path, what: str, found: str, why: str) -> Tally:
    """A fault that is over now."""
    tally = Tally("faults")
    if found in ("refused", "survived") and (fault := fault_of_finish(known, folder)):
        found, why = "lost", f"afterwards {fault}"
    tally.note(found, f"{what}: {why}")
    return tally


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A disk of that size on `folder`. Needs the right to mount one."""
    subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "torture", folder], check=True, capture_output=True
    )
    try:
        yield
    finally:
        subprocess.run(["/bin/umount", "--lazy", folder], check=True)


def _may_mount(place: Path) -> bool:
    place.mkdir(parents=True)
    with suppress(OSError, subprocess.CalledProcessError), small_disk(place, "64k"):
        return True
    return False


def full_disk(known: Undisturbed, folder: Path, size: str) -> Tally:
    """A disk that fills up, and is enlarged."""
    known.job.argv(folder)
    out = folder / "out"
    out.mkdir()
    with small_disk(out, size):
        found = outcome(known.job, folder, known.result)
        subprocess.run(["/bin/mount", "-o", "remount,size=1g", out], check=True)
        return _passing(known, folder, f"disk of {size}", *found)


def read_only_disk(known: Undisturbed, folder: Path, share: float) -> Tally:
    """A disk that cannot be written, from the start or after a share of a run."""
    known.job.argv(folder)
    out = folder / "out"
    out.mkdir()
    with small_disk(out, "1g"):
        if share:
            stop = int(share * known.operations)

            def fail(count: int, path: str) -> None:
                if count >= stop:
                    raise KeyboardInterrupt

            outcome(known.job, folder, None, lambda: on_operations(out, fail))
        subprocess.run(["/bin/mount", "-o", "remount,ro", out], check=True)
        found = outcome(known.job, folder, None)
        subprocess.run(["/bin/mount", "-o", "remount,rw", out], check=True)
        return _passing(known, folder, f"read-only after {share:.0%}", *found)


def lock(known: Undisturbed, folder: Path, held: bool) -> Tally:
    """A lock file that another process left, or holds."""
    known.job.argv(folder)
    file = folder / "out" / ".stillright" / "lock"
    file.parent.mkdir(parents=True)
    file.write_text("999999\n")
    if not held:
        return _passing(known, folder, "stale lock", *outcome(known.job, folder, known.result))
    with filelock.FileLock(file):
        found = outcome(known.job, folder, None)
    return _passing(known, folder, "held lock", *found)


def in_the_way(known: Undisturbed, folder: Path, name: str) -> Tally:
    """A file of the user's where a run wants a folder; it must stay, and the run finish without it."""
    known.job.argv(folder)
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    found = outcome(known.job, folder, None)
    if file.read_text() != "mine":
        found = "lost", "the user's file is gone"
    file.unlink(missing_ok=True)
    return _passing(known, folder, f"a file at {name}", *found)


def bad_input(folder: Path, what: str, change: Change) -> Tally:
    """An update whose model, data or setting is wrong must be refused."""
    tally = Tally("faults")
    folder.mkdir()
    job = Job("run", {**UPDATE, **change(folder)}, lambda _: {})
    found, why = outcome(job, folder, None)
    tally.note(found, f"{what}: {why}")
    return tally


def _base(file: str, damage: Callable[[Path], object], folder: Path) -> dict[str, Any]:
    base = shutil.copytree(TINY / "phi_new", folder / "base")
    damage(base / file)
    return {"new": str(base)}


def _rows(damage: Callable[[Path], object], folder: Path) -> dict[str, Any]:
    rows = shutil.copy(TINY / "train.jsonl", folder / "rows.jsonl")
    damage(Path(rows))
    return {"task": {**UPDATE["task"], "train": str(rows)}}


def _halve(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _nan_weights(file: Path) -> None:
    weights = load_file(file)
    name = max(weights, key=lambda each: weights[each].numel())
    weights[name] = weights[name] * float("nan")
    save_file(weights, file, {"format": "pt"})


def _nan_answers(file: Path) -> None:
    rows = [{**json.loads(line), "answer": float("nan")} for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _setting(values: dict[str, Any], _: Path) -> dict[str, Any]:
    return values


def _inputs() -> Iterator[tuple[str, Change]]:
    for file in ("model.safetensors", "config.json", "tokenizer.json"):
        yield f"base: {file} truncated", partial(_base, file, _halve)
        yield f"base: {file} missing", partial(_base, file, Path.unlink)
    yield "base: NaN weights", partial(_base, "model.safetensors", _nan_weights)
    for damage in (_halve, Path.unlink, _nan_answers):
        yield f"rows: {damage.__name__}", partial(_rows, damage)
    yield "rows: empty", partial(_rows, lambda file: file.write_text(""))
    training = {**UPDATE["training"], "learning_rate": 1e30}
    settings: dict[str, dict[str, Any]] = {
        "a learning rate that leads to NaN": {"training": training},
        "offline: a model of the hub": {"old": "nobody/nothing"},
        "offline: a task of the hub": {"task": "piqa"},
        "a task that does not exist": {"task": "no_such_task"},
    }
    for what, values in settings.items():
        yield what, partial(_setting, values)


def faults(known: Undisturbed, folder: Path) -> Iterator[tuple[str, Work]]:
    """Each fault, in words and as work."""
    refused = [(ERRORS[i % len(ERRORS)], share) for i, share in enumerate(SHARES)]
    works: list[Callable[[Path], Tally]] = [
        *(partial(failing_operation, known, number=number, share=share) for number, share in refused),
        *(partial(lock, known, held=held) for held in (False, True)),
        *(partial(in_the_way, known, name=name) for name in PLACES),
        *(partial(bad_input, what=what, change=change) for what, change in _inputs()),
    ]
    if _may_mount(folder / "disk"):
        works += [partial(full_disk, known, size=size) for size in SIZES]
        works += [partial(read_only_disk, known, share=share) for share in (0.0, 0.5)]
    for number, work in enumerate(works):
        yield f"fault {number}", partial(work, folder / f"fault-{number}")
