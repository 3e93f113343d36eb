"""One stage by several processes of this machine, one per GPU: accelerate launches them, each runs this file.

The optimizer step stays that of one process, so a cell means the same however many GPUs its stages are given.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import IO

from rich.console import Console

from stillright import ranks
from stillright.errors import ConfigError
from stillright.folder.files import write_atomically, write_first
from stillright.stages.stage import Stage
from stillright.study.order import read_stage, written_stage
from stillright.study.schedule import attempt
from stillright.study.store import Store

PR_SET_PDEATHSIG = 1


def processes_for(stage: Stage, num_gpus: float) -> int:
    """How many processes work at a stage that is given so many GPUs."""
    return max(1, int(num_gpus)) if stage.is_shared else 1


def divided(stage: Stage, processes: int) -> Stage:
    """The stage as each of several processes sees it: its part of an optimizer step.

    Raises ConfigError where neither gradient accumulation nor the batch can be divided by the number of processes.
    """
    if processes == 1 or not stage.is_training:
        return stage
    training = stage.config.training
    for name in ("gradient_accumulation", "batch_size"):
        whole = getattr(training, name)
        if whole % processes == 0:
            own = training.model_copy(update={name: whole // processes})
            return replace(stage, config=stage.config.model_copy(update={"training": own}), known_key=stage.key)
    raise ConfigError(
        f"{stage.label}: {processes} GPUs cannot share steps of {training.gradient_accumulation} batches of "
        f"{training.batch_size}; give resources.{stage.kind}.num_gpus a number that divides one of the two"
    )


def attempt_by(processes: int, stage: Stage, root: Path, log: IO[str]) -> str | None:
    """Builds a stage by several processes; returns the error in one line, None where the stage is done."""
    order = Store(root).folder(stage) / ".stillright" / "launched.json"
    failure = order.with_suffix(".error")
    order.parent.mkdir(parents=True, exist_ok=True)
    failure.unlink(missing_ok=True)
    write_atomically(order, json.dumps({"root": str(root), "stage": written_stage(divided(stage, processes))}))
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
    command = [*launcher, "--main_process_port", "0", "-m", __name__, str(order)]
    done = subprocess.run(command, stdout=log, stderr=log, preexec_fn=_end_with_parent)
    order.unlink()
    if done.returncode == 0:
        return None
    if failure.exists():
        return failure.read_text(encoding="utf-8")
    return f"{stage.label}: its {processes} processes ended with exit code {done.returncode}; see {log.name}"


def _end_with_parent() -> None:
    """Ends the launcher, and with it all processes, where the one that waits for it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def main(order: Path) -> int:
    """What each process does: its part of the stage in `order`."""
    told = json.loads(order.read_text(encoding="utf-8"))
    error = attempt(read_stage(told["stage"]), Store(Path(told["root"])), Console(width=140, quiet=not ranks.is_main()))
    if error is not None:
        write_first(order.with_suffix(".error"), error)
        os._exit(1)  # at once: the others may wait for this one, until the launcher ends them
    ranks.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
