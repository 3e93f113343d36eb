"""How many threads of torch the CPUs have room for. Linux tells; elsewhere nothing is changed.

Threads share each matrix product and wait for the slowest of them, so one that has no CPU of its own holds up all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stillright import ranks
from stillright.events import say

if TYPE_CHECKING:
    from rich.console import Console

SECONDS = 0.3  # to watch what other work takes
ROOT = Path("/")
WAITING = slice(3, 5)  # idle and iowait, of the times in /proc/stat


class Limit(NamedTuple):
    """Threads that there is room for, and why no more."""

    threads: int
    why: str


def use_fitting_threads(console: Console) -> None:
    """Lets torch use fewer threads where its number does not fit, and says so.

    OMP_NUM_THREADS, which launchers set too, is left to decide; and so is a machine whose accelerator does the work.
    """
    import torch

    default = torch.get_num_threads()
    if "OMP_NUM_THREADS" in os.environ or ranks.world() > 1 or torch.accelerator.is_available() or default == 1:
        return
    least = min(limits(ROOT), default=Limit(default, ""))
    number = max(1, least.threads)
    if number < default:
        torch.set_num_threads(number)
        line = f"threads: {number} instead of {default}, since {least.why}; OMP_NUM_THREADS sets another number"
        say(console, line, "settings", threads=number)


def limits(root: Path) -> Iterator[Limit]:
    """What this process may use, and what other work leaves it. root: of the files of Linux."""
    if hasattr(os, "sched_getaffinity"):
        cpus = len(os.sched_getaffinity(0))
        yield Limit(cpus, f"this process is bound to {cpus} CPUs")
    for quota in _quotas(root):
        yield Limit(int(quota), f"its control group may use {quota:g} CPUs")
    before, after = _cpu_times(root), _cpu_times(root, after=SECONDS)
    if before and after and sum(after) > sum(before):
        passed = [late - early for early, late in zip(before, after, strict=True)]
        cpus = os.cpu_count() or 1
        busy = cpus * (1 - sum(passed[WAITING]) / sum(passed))
        yield Limit(round(cpus - busy), f"other work keeps {busy:.1f} of {cpus} CPUs busy")


def _quotas(root: Path) -> Iterator[float]:
    """CPUs that control groups allow this process: its own and those above it (version 2), or its container (1)."""
    top = root / "sys/fs/cgroup"
    own = next((line[3:] for line in _lines(root / "proc/self/cgroup") if line.startswith("0::")), "/")
    group = top / own.strip("/")
    settings = [_lines(folder / "cpu.max") for folder in (group, *group.parents) if folder.is_relative_to(top)]
    settings.append(_lines(top / "cpu/cpu.cfs_quota_us") + _lines(top / "cpu/cpu.cfs_period_us"))
    for setting in settings:
        quota, _, period = " ".join(setting).partition(" ")  # microseconds of CPU time in a period; "max" or -1: all
        if quota.isdecimal() and period.isdecimal():
            yield int(quota) / int(period)


def _cpu_times(root: Path, after: float = 0.0) -> list[int]:
    """Of all CPUs together: user, nice, system, idle, iowait, irq, softirq, steal; empty where nothing tells."""
    time.sleep(after)
    first = next(iter(_lines(root / "proc/stat")), "")
    return [int(ticks) for ticks in first.split()[1:9]]  # those of guests are counted as user already


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
