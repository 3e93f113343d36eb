"""Several processes that do one job, as `accelerate launch` and torchrun start them; rank 0 is the main one.

Knows nothing of the job. One process pays nothing: torch is imported only where there are others. Processes wait for
each other at the launcher's key-value store, because collectives give up after minutes, and a stage may last for hours.
"""

from __future__ import annotations

import atexit
import functools
import gc
import itertools
import os
import pickle
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from stillright.errors import RunError
from stillright.upstream.torch import default_store

T = TypeVar("T")
PATIENCE = timedelta(days=30)  # a process that is lost ends all others through the launcher, not through this
FROM_MAIN = "raised by the main process"
_numbers = itertools.count()  # of meetings; every process has the same ones in the same order
_apart: list[bool] = []  # not empty while this process does work that the others do not do at the same time


def world() -> int:
    """How many processes do this job."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def rank() -> int:
    """The number of this process, from 0."""
    return int(os.environ["RANK"]) if world() > 1 else 0


def is_main() -> bool:
    """Whether this is the process that decides, writes and prints."""
    return rank() == 0


def state() -> Any:
    """accelerate's PartialState, which holds this process's device; the processes are connected from now on."""
    import torch
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    found = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available())
    _part_in_order()
    return found


@functools.cache
def _part_in_order() -> None:
    """Ends the connection before Python ends, and without Python's lock.

    Dead trainers are reference cycles that hold it. If it outlives Python, its threads abort the process. If a trainer
    were the last to hold it, it would wait under Python's lock for threads that wait for that lock. So it is held here
    until the trainers are collected.
    """
    from torch import distributed

    held = [distributed.group.WORLD] if distributed.is_initialized() else []

    def part() -> None:
        gc.collect()
        held.clear()

    atexit.register(part)


def on_main(work: Callable[[], T]) -> T:
    """What `work` returns, or raises, in the main process; the others wait for it, and do the same.

    The outcome is pickled. Within the work of another `on_main` or `main_first` nobody waits: it is just done.
    """
    if world() == 1 or _apart:
        return work()
    store, key = _meeting()
    if not is_main():
        store.wait([key], PATIENCE)
        told: T
        told, failure = pickle.loads(store.get(key))  # noqa: S301 - of the main process, see SECURITY.md
        if failure is not None:
            failure.add_note(FROM_MAIN)
            raise failure
        return told
    try:
        value = _do_apart(work)
    except Exception as error:
        store.set(key, pickle.dumps((None, _portable(error))))
        raise
    store.set(key, pickle.dumps((value, None)))
    return value


def _do_apart(work: Callable[[], T]) -> T:
    _apart.append(True)
    try:
        return work()
    finally:
        _apart.pop()


def main_first(work: Callable[[], T]) -> T:
    """What `work` returns here; the others begin when the main process has done it, and raise what it raises."""
    made: list[T] = []
    on_main(lambda: made.append(work()))
    return made[0] if made else _do_apart(work)


def is_from_main(error: BaseException) -> bool:
    """Whether the main process has raised `error`, here and in itself."""
    return FROM_MAIN in getattr(error, "__notes__", ())


def wait() -> None:
    """Returns when every process is here."""
    if world() > 1:
        store, key = _meeting()
        if store.add(key, 1) == world():
            store.set(f"{key}-open", b"")
        store.wait([f"{key}-open"], PATIENCE)


def share(items: Sequence[T]) -> list[T]:
    """This process's part of `items`."""
    return list(items[rank() :: world()])


def share_of_first_node(items: Sequence[T]) -> list[T]:
    """The same among the processes of the main one's machine; nothing on others.

    For memory-mapped files that several processes write: pages of them are shared within one machine only.
    """
    there = int(os.environ.get("LOCAL_WORLD_SIZE", world())) if world() > 1 else 1
    return list(items[rank() :: there]) if rank() < there else []


def gather(items: list[T]) -> list[T]:
    """The items of all processes, in all of them."""
    if world() == 1:
        return items
    wait()
    from accelerate.utils import gather_object

    gathered: list[T] = gather_object(items)
    return gathered


def leave() -> None:
    """Ends the connection, once every process is here."""
    if world() > 1:
        wait()
        state().wait_for_everyone()  # the main one must not take the store away from those who still look at it
        state().destroy_process_group()


def _meeting() -> tuple[Any, str]:
    """The store where all processes meet next, and the key there."""
    state()
    return default_store(), f"stillright-{next(_numbers)}"


def _portable(error: Exception) -> Exception:
    """`error`, or what it says where it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - what was pickled here
    except Exception:
        return RunError(f"{type(error).__name__}: {error}")
    return error
