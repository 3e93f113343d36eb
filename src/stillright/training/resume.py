"""Checkpoints on disk: the one from which an interrupted training goes on, and a disk that is full."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers.trainer_utils import get_last_checkpoint

from stillright import ranks
from stillright.errors import RunError, one_line
from stillright.upstream.transformers import TRAINER_STATE, checkpoint_parts

# as Python numbers it, as others word it, and as torch fails where fewer bytes were written than given
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL_WORDS = (*map(os.strerror, FULL), "PytorchStreamWriter failed", "unexpected pos")


def resumable(folder: Path) -> str | None:
    """The last whole checkpoint, which knows its best one; half-written and broken ones are removed."""
    while folder.exists() and (last := get_last_checkpoint(str(folder))) is not None:
        if _is_whole(Path(last)):
            _relocate_best(Path(last))
            return str(last)
        shutil.rmtree(last)
    return None


def _is_whole(checkpoint: Path) -> bool:
    """Whether every process has written its part, after losses that were all numbers."""
    if not all((checkpoint / name).exists() for name in checkpoint_parts(ranks.world())):
        return False
    losses = [entry.get(name, 0.0) for entry in _state(checkpoint)["log_history"] for name in ("loss", "eval_loss")]
    return all(map(math.isfinite, losses))


def _state(checkpoint: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((checkpoint / TRAINER_STATE).read_text(encoding="utf-8"))
    return state


def _relocate_best(checkpoint: Path) -> None:
    """Lets the state of `checkpoint` name the best one where it is now: beside it, wherever the folder was before.

    Without that the trainer would forget it, and save the last step. Raises RunError where it is gone.
    """
    file, state = checkpoint / TRAINER_STATE, _state(checkpoint)
    best = checkpoint.parent.resolve() / Path(state["best_model_checkpoint"]).name
    if not best.is_dir():
        raise RunError(f"{checkpoint}: the best checkpoint so far, {best.name}, is gone; delete {checkpoint.parent}")
    part = file.with_suffix(".part")  # a kill while writing must not damage the checkpoint
    part.write_text(json.dumps({**state, "best_model_checkpoint": str(best)}, indent=2) + "\n", encoding="utf-8")
    part.replace(file)


@contextmanager
def names_full_disk(folder: Path) -> Iterator[None]:
    """Raises RunError where what is written, by whichever library, finds the disk of `folder` full."""
    try:
        yield
    except Exception as error:
        if getattr(error, "errno", None) in FULL or any(words in str(error) for words in FULL_WORDS):
            raise RunError(
                f"{folder}: the disk is full ({one_line(error)[:200]}); free some space, then the same command goes on "
                "from the last checkpoint"
            ) from None
        raise
