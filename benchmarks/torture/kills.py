"""Kills and interruptions of run and study: afterwards the same command must finish, with an undisturbed result.

In forked processes of this one, which has imported all that a run needs, and as commands of their own. In a forked one
the signal is real too: the process sends it to itself just before its n-th operation on a file of its folder, or gets
it from outside when it has used a share of the processor time that an undisturbed one takes. Seeds fix which signals,
operations and times; what a process is doing at a time is its own, so only operations repeat exactly.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from torture.apart import Work, each_apart, ended, forked
from torture.jobs import ROOT, Job, differences
from torture.table import Tally

OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "shutil.rmtree")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
IN_A_ROW = 8  # interruptions of one folder, at most
INTERRUPTED = 130
LOOK_AGAIN = 0.005  # seconds
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(sys.path),
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Undisturbed:
    """How a job ends that nothing disturbs, and what it takes."""

    job: Job
    result: dict[str, str]
    operations: int
    seconds: float  # of processor time, in a forked process
    command_seconds: float  # the same as a command, with its imports


@dataclass(frozen=True)
class Moment:
    """When a signal comes: before the n-th operation on a file, or after some seconds of processor time."""

    operation: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"operation {self.operation}" if self.operation else f"{self.seconds:.2f} s"


def on_operations(folder: Path, tell: Callable[[int, str], None]) -> None:
    """Calls `tell` with number and path before every operation on a file below `folder`, in this process."""
    root, count, telling = str(folder), [0], [False]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event not in OPERATIONS or telling[0] or not arguments:
            return
        path = arguments[0]
        if isinstance(path, str | os.PathLike) and str(path).startswith(root):
            count[0] += 1
            telling[0] = True  # what `tell` does is not counted
            try:
                tell(count[0], str(path))
            finally:
                telling[0] = False

    sys.addaudithook(hook)


def start(
    job: Job, folder: Path, before: Callable[[], None] = lambda: None, after: Callable[[], None] | None = None
) -> int:
    """A forked process that does the job as the command does; before, after: called in it, too."""
    argv = job.argv(folder)

    def work() -> int:
        from stillright.cli import main

        signal.signal(signal.SIGINT, signal.default_int_handler)
        before()
        code = main(argv)
        if after is not None:
            after()
        return code

    return forked(work, folder / "errors.txt")


def undisturbed(job: Job, folder: Path) -> Undisturbed:
    """Does the job as a command and in a forked process; imports here all that it imports, so later ones need not."""
    began = _used_by_children()
    done = subprocess.run(job.command(folder / "command"), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{job.name}: fails undisturbed: {done.stderr}")
    as_command = _used_by_children() - began
    names, count = folder / "modules.txt", folder / "operations.txt"
    began, place = _used_by_children(), folder / "forked"
    ended(
        start(
            job,
            place,
            before=lambda: on_operations(place, lambda number, _: _write(count, str(number))),
            after=lambda: _write(names, "\n".join(sys.modules)),
        )
    )
    seconds = _used_by_children() - began
    for name in names.read_text().split():
        with suppress(Exception):
            import_module(name)
    result = job.result(folder / "command" / "out")
    if different := differences(job, place / "out", result):
        raise SystemExit(f"{job.name}: two undisturbed ones differ: {different}")
    return Undisturbed(job, result, int(count.read_text()), seconds, as_command)


def _used_by_children() -> float:
    used = os.times()
    return used.children_user + used.children_system


def _wait_until_used(pid: int, seconds: float) -> None:
    """Returns when a process has used so much processor time, or has ended."""
    ticks = seconds * os.sysconf("SC_CLK_TCK")
    while True:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if fields[0] == "Z" or int(fields[11]) + int(fields[12]) >= ticks:
            return
        time.sleep(LOOK_AGAIN)


def _write(file: Path, text: str) -> None:
    file.write_text(text)


def forked_moment(draw: random.Random, known: Undisturbed) -> Moment:
    """Half of them at an operation, half at a time."""
    if draw.random() < 0.5:
        return Moment(operation=draw.randint(1, known.operations))
    return Moment(seconds=draw.uniform(0, known.seconds))


def _signalled(job: Job, folder: Path, number: signal.Signals, moment: Moment) -> tuple[int, float]:
    """The exit code of a forked job that gets the signal, and the seconds from the signal to its end, if known."""

    def tell(count: int, _: str) -> None:
        if count == moment.operation:
            os.kill(os.getpid(), number)

    if moment.operation:
        return ended(start(job, folder, lambda: on_operations(folder / "out", tell))), 0.0
    pid = start(job, folder)
    _wait_until_used(pid, moment.seconds)
    began = time.monotonic()
    os.kill(pid, number)  # a process that has ended is still there until it is waited for
    code = ended(pid)
    return code, time.monotonic() - began


def _signalled_command(job: Job, folder: Path, number: signal.Signals, moment: Moment) -> tuple[int, float]:
    """The same of a command."""
    command = job.command(folder)
    with (folder / "errors.txt").open("w") as errors:
        process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=errors)
        _wait_until_used(process.pid, moment.seconds)
        began = time.monotonic()
        process.send_signal(number)
        code = process.wait()
    return code, time.monotonic() - began


def chain(part: str, known: Undisturbed, folder: Path, seed: str, times: int) -> Tally:
    """One folder that is made with so many interruptions; then the same command, undisturbed, must finish it."""
    draw, tally, told = random.Random(seed), Tally(part), list[str]()
    job, is_forked = known.job, part.startswith("forked")
    for _ in range(times):
        number = draw.choice(SIGNALS)
        moment = forked_moment(draw, known) if is_forked else Moment(seconds=draw.uniform(0, known.command_seconds))
        job.argv(folder)
        code, seconds = (_signalled if is_forked else _signalled_command)(job, folder, number, moment)
        told.append(f"{number.name} at {moment}")
        errors = (folder / "errors.txt").read_text(errors="replace")
        found = outcome_of_signal(number, code, errors)
        if found != "survived":
            tally.note(found, f"seed {seed!r}: {', '.join(told)}: exit code {code}: {errors.strip()[-600:]}")
        elif code != 0:  # else it had ended before
            tally.note("survived", "")
            if number == signal.SIGINT and seconds and code == INTERRUPTED:
                tally.interrupts.append(seconds)
    if fault := fault_of_finish(known, folder):
        counted = min(1, tally.survived)  # the last one, which is lost instead
        tally.survived -= counted
        tally.tried -= counted
        tally.note("lost", f"seed {seed!r}: {', '.join(told)}: then {fault}")
    shutil.rmtree(folder)
    return tally


def fault_of_finish(known: Undisturbed, folder: Path) -> str | None:
    """What is wrong after the same command has run undisturbed; None where it ends as it should."""
    code = ended(start(known.job, folder))
    if code:
        return f"exit code {code}: {(folder / 'errors.txt').read_text(errors='replace').strip()[-600:]}"
    different = differences(known.job, folder / "out", known.result)
    return f"other {', '.join(different)}" if different else None


def outcome(
    job: Job, folder: Path, wanted: dict[str, str] | None, before: Callable[[], None] = lambda: None
) -> tuple[str, str]:
    """What becomes of the command now, and why; wanted: its result, None where it must refuse."""
    code = ended(start(job, folder, before))
    errors = (folder / "errors.txt").read_text(errors="replace")
    if "Traceback" in errors:
        return "tracebacks", errors.strip()[-600:]
    if code == 0:
        if wanted is None:
            return "wrong", "accepted"
        different = differences(job, folder / "out", wanted)
        return ("wrong", f"other {', '.join(different)}") if different else ("survived", "")
    good = code == 2 and errors.count("\n") == 1
    return ("refused", errors.strip()) if good else ("lost", f"exit code {code}: {errors.strip()[-600:]}")


def outcome_of_signal(number: signal.Signals, code: int, errors: str) -> str:
    """Whether a process ended as it should: by the signal, with 130 and one line after SIGINT, or done before."""
    if "Traceback" in errors or errors.count("\n") > 1:
        return "tracebacks"
    expected = (0, INTERRUPTED, -signal.SIGINT) if number == signal.SIGINT else (0, -number)
    return "survived" if code in expected else "lost"


def kills(part: str, known: Undisturbed, folder: Path, seed: int, count: int, workers: int) -> Tally:
    """So many kills, a few a folder."""
    total = Tally(f"{part} of {known.job.name}")
    for number in range(10 * count):  # a signal that comes too late does not count
        if total.tried >= count:
            break
        works = list(_chains(total.part, known, folder, f"{seed} {number}", count - total.tried))
        for tally in each_apart(total.part, works, workers):
            total.add(tally)
            print(f"\r{total.part}: {total.tried} of {count}, {total.failed} faults", end="", flush=True)
    print()
    return total


def _chains(part: str, known: Undisturbed, folder: Path, seed: str, count: int) -> Iterator[tuple[str, Work]]:
    draw = random.Random(seed)
    number = 0
    while count > 0:
        times = min(count, draw.randint(1, IN_A_ROW))
        name = f"{seed} {number}"
        place = folder / f"{part} {name}".replace(" ", "-")
        yield f"seed {name!r}", partial(chain, part, known, place, name, times)
        count, number = count - times, number + 1
