"""A study on a Ray cluster of two nodes on this machine, one of which is lost on the way."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

from launching import PATIENCE
from samples import environment
from stillright.cli import main
from stillright.config import load_study
from stillright.study.graph import Graph
from stillright.study.matrix import cells_of
from stillright.study.store import Store
from study_rows import Row, assert_row_is_what_its_files_say, rows_of

pytest.importorskip("ray", reason="the extra ray is not installed")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes with room for one stage each; Ray ends no stage because this machine is short of memory."""
    from ray.cluster_utils import Cluster

    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0", "RAY_memory_monitor_refresh_ms": "0"}
    for name, value in environment(**quiet).items():
        monkeypatch.setenv(name, value)
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        started.add_node(num_cpus=1)
        yield started
    finally:
        started.shutdown()


def held_up(file: Path, store: Path) -> dict[Path, FileLock]:
    """The locks of the stages that come first, by the stages' logs; this process holds them, so the stages wait."""
    cells = cells_of(load_study(file), str(file))
    stages = Graph(cells).stages_of(cells[0])
    locks = {}
    for fit in (stages.old.needs["model"], stages.new.needs["model"]):
        folder = Store(store).folder(fit)
        state = folder / ".stillright"
        state.mkdir(parents=True)
        locks[folder / "log.txt"] = FileLock(state / "lock")
    for lock in locks.values():
        lock.acquire()
    return locks


def nodes_of(log: Path) -> list[str]:
    """Where a stage began, each time; a line such as `goes on from checkpoint-1` names no node."""
    return re.findall(r" on ([0-9a-f]{56})$", log.read_text(), flags=re.MULTILINE) if log.exists() else []


def wait_for(condition: Callable[[], bool], driver: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline or driver.poll() is not None:
            driver.kill()
            raise AssertionError(f"no stage began where one should: {driver.communicate()}")
        time.sleep(0.02)


def without_times(rows: list[Row]) -> list[Row]:
    return [{**row, "seconds": ""} for row in rows]


def test_a_study_survives_the_loss_of_a_node(
    values: dict[str, Any],
    cluster: Any,
    tmp_path: Path,
) -> None:
    """The node is lost while a stage runs there, however fast this machine is: the stage cannot end before."""
    file, out = tmp_path / "study.yaml", Path(values["out"])
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    command = [sys.executable, "-m", "stillright", "study", str(file), "--ray", cluster.address]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    locks = held_up(file, out / "store")
    (lost,) = cluster.worker_nodes
    with ExitStack() as ends:
        driver = ends.enter_context(subprocess.Popen(command, **pipes))
        ends.callback(driver.kill)
        wait_for(lambda: any(lost.node_id in nodes_of(log) for log in locks), driver)
        cluster.remove_node(lost, allow_graceful=False)
        log = next(log for log in locks if lost.node_id in nodes_of(log))
        lock = locks.pop(log)
        for other in locks.values():
            other.release()
        wait_for(lambda: len(nodes_of(log)) > 1, driver)
        lock.release()
        printed, _ = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, printed
    first, *further = nodes_of(log)
    assert first == lost.node_id
    assert lost.node_id not in further
    rows = rows_of(out)
    assert [row["status"] for row in rows] == ["done"] * 3
    for row in rows:
        assert_row_is_what_its_files_say(row, out)
    assert main(["study", str(file), "--set", f"out={tmp_path / 'here'}"]) == 0
    assert without_times(rows_of(tmp_path / "here")) == without_times(rows)


def test_an_address_without_a_cluster(
    values: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    assert main(["study", str(file), "--ray", "no-address"]) == 2
    assert "--ray no-address: no cluster answers there" in capsys.readouterr().err
