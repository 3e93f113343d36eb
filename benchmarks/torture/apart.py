"""Work in forked processes, so that a crash, a signal or a limit of one is that one's alone.

Polars starts threads where it is first used, and a fork has none of them: this process only imports it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from torture.table import Tally

Work = Callable[[], Tally]


def forked(work: Callable[[], int], errors: Path) -> int:
    """The number of a new process that does `work`, whose result is its exit code, with standard error in a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(pid: int) -> int:
    """The exit code of a process when it ends; minus its number where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def each_apart(part: str, works: Iterable[tuple[str, Work]], workers: int) -> Iterator[Tally]:
    """The tallies of works, each by a process of its own, so many at a time; one that dies is counted as lost.

    works: what each is, in words, and itself.
    """
    running: dict[int, tuple[str, Path]] = {}
    waiting = iter(works)
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        number = 0
        while True:
            while len(running) < workers and (item := next(waiting, None)) is not None:
                what, work = item
                place, number = Path(folder) / str(number), number + 1
                running[forked(_writes(work, place), place.with_suffix(".err"))] = what, place
            if not running:
                return
            pid, status = os.wait()
            yield _told(part, *running.pop(pid), os.waitstatus_to_exitcode(status))


def _writes(work: Work, place: Path) -> Callable[[], int]:
    def write() -> int:
        place.write_text(json.dumps(work().values()))
        return 0

    return write


def _told(part: str, what: str, place: Path, code: int) -> Tally:
    if code == 0:
        return Tally(**json.loads(place.read_text()))
    tally = Tally(part)
    tail = place.with_suffix(".err").read_text(errors="replace").strip().splitlines()[-1:]
    tally.note("lost", f"{what}: its process ended with {code} {tail}")
    return tally
