"""Threads of torch: as many as there is room for, where nobody has said how many."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from rich.console import Console

from stillright import threads


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a Linux with 8 CPUs, all for this process."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return tmp_path


def watched(root: Path, monkeypatch: pytest.MonkeyPatch, *, idle: int, busy: int) -> None:
    """Ticks that pass while it watches, of all CPUs together."""
    write(root / "proc/stat", "cpu  50 0 50 300 0 0 0 0 0 0\ncpu0 0\n")
    later = f"cpu  {50 + busy} 0 50 {300 + idle - 5} 5 0 0 0 0 0\n"
    monkeypatch.setattr("time.sleep", lambda seconds: write(root / "proc/stat", later) if seconds else None)


def least(root: Path) -> tuple[int, str]:
    return min(threads.limits(root))


def test_idle_cpus_are_what_others_leave(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched(root, monkeypatch, idle=150, busy=90)  # 90 of 240 ticks on 8 CPUs: 3 busy
    assert least(root) == (5, "other work keeps 3.0 of 8 CPUs busy")


def test_little_work_beside_it_does_not_count(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched(root, monkeypatch, idle=230, busy=10)  # a third of a CPU
    assert least(root)[0] == 8


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"cpu.max": "250000 100000\n"}, 2),  # 2.5 CPUs: a third thread would wait
        ({"a/cpu.max": "max 100000\n", "a/b/cpu.max": "50000 100000\n"}, 0),  # half a CPU
        ({"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3),  # of the group above
        ({"a/b/cpu.max": "max 100000\n"}, 8),
        ({"other/cpu.max": "100000 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
    ],
)
def test_a_control_group_limits(root: Path, files: dict[str, str], found: int) -> None:
    write(root / "proc/self/cgroup", "4:cpu:/\n0::/a/b\n")
    for name, text in files.items():
        write(root / "sys/fs/cgroup" / name, text)
    assert least(root)[0] == found


def test_a_bound_process(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3}, raising=False)
    assert least(root) == (2, "this process is bound to 2 CPUs")


def test_nothing_is_known_elsewhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert list(threads.limits(root)) == []


@pytest.fixture
def eight_threads(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "ROOT", root)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    usual = torch.get_num_threads()
    torch.set_num_threads(8)
    yield root
    torch.set_num_threads(usual)


def said() -> str:
    text = io.StringIO()
    threads.use_fitting_threads(Console(file=text, width=200))
    return text.getvalue()


def test_fewer_are_used_and_told(eight_threads: Path) -> None:
    write(eight_threads / "sys/fs/cgroup/cpu.max", "50000 100000\n")
    assert said() == (
        "threads: 1 instead of 8, since its control group may use 0.5 CPUs; OMP_NUM_THREADS sets another number\n"
    )
    assert torch.get_num_threads() == 1


def test_where_all_fit_nothing_is_said(eight_threads: Path) -> None:
    assert said() == ""
    assert torch.get_num_threads() == 8


def test_a_number_that_was_given_stays(eight_threads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(eight_threads / "sys/fs/cgroup/cpu.max", "50000 100000\n")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert said() == ""
    assert torch.get_num_threads() == 8
