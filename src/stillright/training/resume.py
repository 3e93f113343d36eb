"""Checkpoints on disk: sealed, found whole again after an interruption, and a disk that is full."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers.trainer_utils import get_last_checkpoint

from stillright import ranks
from stillright.digest import folder_digest
from stillright.errors import RunError, cut
from stillright.folder.files import write_atomically
from stillright.upstream.transformers import TRAINER_STATE, checkpoint_parts

SEAL = "digest.txt"  # of the other files of a checkpoint
# as Python numbers it, as others word it, and as torch fails where fewer bytes were written than given
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL_WORDS = (*map(os.strerror, FULL), "PytorchStreamWriter failed", "unexpected pos")


def seal(checkpoint: Path) -> None:
    """Says that the checkpoint is whole. A byte that changes afterwards would only lead to other weights."""
    write_atomically(checkpoint / SEAL, folder_digest(checkpoint, but=SEAL))


def resumable(folder: Path) -> str | None:
    """The last whole checkpoint, which knows its best one; half-written and broken ones are removed."""
    while folder.exists() and (last := get_last_checkpoint(str(folder))) is not None:
        if _is_whole(Path(last)):
            _relocate_best(Path(last))
            return str(last)
        shutil.rmtree(last)
    return None


def _is_whole(checkpoint: Path) -> bool:
    """Whether it is as it was sealed, by as many processes as there are now."""
    return _is_sealed(checkpoint) and all((checkpoint / name).exists() for name in checkpoint_parts(ranks.world()))


def _is_sealed(checkpoint: Path) -> bool:
    """Whether it is there, and as it was sealed."""
    file = checkpoint / SEAL
    return file.is_file() and file.read_bytes() == folder_digest(checkpoint, but=SEAL).encode()


def _state(checkpoint: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((checkpoint / TRAINER_STATE).read_text(encoding="utf-8"))
    return state


def _relocate_best(checkpoint: Path) -> None:
    """Lets the state of `checkpoint` name the best one where it is now: beside it, wherever the folder was before.

    Without that the trainer would forget it, and save the last step. Raises RunError where it is gone or damaged.
    """
    state = _state(checkpoint)
    best = checkpoint.parent.resolve() / Path(state["best_model_checkpoint"]).name
    if not _is_sealed(best):
        problem = "is not as it was written" if best.is_dir() else "is gone"
        raise RunError(f"{checkpoint}: the best checkpoint so far, {best.name}, {problem}; delete {checkpoint.parent}")
    if state["best_model_checkpoint"] != str(best):
        told = json.dumps({**state, "best_model_checkpoint": str(best)}, indent=2)
        write_atomically(checkpoint / TRAINER_STATE, told + "\n")
        seal(checkpoint)


@contextmanager
def names_full_disk(folder: Path) -> Iterator[None]:
    """Raises RunError where what is written, by whichever library, finds the disk of `folder` full."""
    try:
        yield
    except Exception as error:
        if getattr(error, "errno", None) in FULL or any(words in str(error) for words in FULL_WORDS):
            raise RunError(
                f"{folder}: the disk is full ({cut(error)}); free some space, then the same command goes on "
                "from where it stopped"
            ) from None
        raise
