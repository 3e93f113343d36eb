"""Damage to a run folder: each of its files truncated, flipped and missing.

The same command heals it, or refuses in one line.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from torture.apart import Work, each_apart, ended
from torture.faults import faults
from torture.kills import Undisturbed, on_operations, outcome, start
from torture.table import Tally

ARTEFACTS = (  # of a run that is done
    *(f"adapters/compat/{name}" for name in ("adapter_model.safetensors", "adapter_config.json", "training.json")),
    *(f".stillright/teachers/old/{name}" for name in ("hidden.bin", "head.safetensors", "teacher.json")),
    *("predictions/new.jsonl", "comparison.json", "report.md", "report.html", "update.yaml", "versions.yaml"),
    *(f".stillright/{name}" for name in ("fit-old.json", "predict-new.json", "comparison.json.json", "lock")),
)
CHECKPOINT = (  # of alignment that was interrupted after its first epoch
    *("adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "scheduler.pt", "rng_state.pth"),
    *("trainer_state.json", "training_args.bin"),
)
WHERE = ".stillright/work/align-compat-*/checkpoints"
Prepare = Callable[[Path], None]


def truncated(file: Path) -> None:
    """To half its size."""
    os.truncate(file, file.stat().st_size // 2)


def flipped(file: Path) -> None:
    """All bits of the byte in its middle."""
    content = bytearray(file.read_bytes())
    if content:
        content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def missing(file: Path) -> None:
    """Deleted."""
    file.unlink()


DAMAGES = (truncated, flipped, missing)


def damaged(known: Undisturbed, template: Path, folder: Path, pattern: str, damage: Prepare) -> Tally:
    """One damage to one file of a copy of a run folder."""
    tally = Tally("damage")
    known.job.argv(folder)
    shutil.copytree(template, folder / "out")
    damage(max((folder / "out").glob(pattern)))
    found, why = outcome(known.job, folder, known.result)
    tally.note(found, f"{pattern} {damage.__name__}: {why}")
    shutil.rmtree(folder)
    return tally


def file_damages(known: Undisturbed, done: Path, halfway: Path, folder: Path) -> Iterator[tuple[str, Work]]:
    """Each artefact truncated, flipped and missing."""
    patterns = [(done, name) for name in ARTEFACTS] + [(halfway, f"{WHERE}/checkpoint-2/{name}") for name in CHECKPOINT]
    for number, (template, pattern) in enumerate(patterns):
        for damage in DAMAGES:
            place = folder / f"damage-{number}-{damage.__name__}"
            yield f"{pattern} {damage.__name__}", partial(damaged, known, template, place, pattern, damage)


def interrupted_alignment(known: Undisturbed, folder: Path) -> Path:
    """A run folder as a kill leaves it in the second epoch of alignment."""

    def kill(_: int, path: str) -> None:
        if "align-compat" in path and "checkpoint-4" in path:
            os.kill(os.getpid(), signal.SIGKILL)

    ended(start(known.job, folder, lambda: on_operations(folder / "out", kill)))
    return folder / "out"


def damages(known: Undisturbed, done: Path, folder: Path, limit: int, workers: int) -> Tally:
    """The first so many kinds of damage and fault, files before faults; done: an undisturbed run folder."""
    halfway = interrupted_alignment(known, folder / "halfway")
    works = [*file_damages(known, done, halfway, folder), *faults(known, folder)]
    total = Tally("damage and faults")
    step = max(1, len(works) // limit)  # of all kinds some, where only some are asked for
    for tally in each_apart(total.part, works[::step][:limit], workers):
        total.add(tally)
        print(f"\r{total.part}: {total.tried} of {min(limit, len(works))}, {total.failed} faults", end="", flush=True)
    print()
    return total
