"""A study on a Ray cluster of two nodes on this machine, one of which is lost on the way."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from samples import environment
from stillright.cli import main
from study_rows import Row, assert_row_is_what_its_files_say, rows_of

pytest.importorskip("ray", reason="the extra ray is not installed")

PATIENCE = 240.0  # seconds


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes with room for one stage each."""
    from ray.cluster_utils import Cluster

    for name, value in environment(RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS="0").items():
        monkeypatch.setenv(name, value)
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        started.add_node(num_cpus=1)
        yield started
    finally:
        started.shutdown()


def stage_on(node: str, store: Path, driver: subprocess.Popen[str]) -> Path:
    """The log of the first stage that runs on a node."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and driver.poll() is None:
        for log in store.glob("*/log.txt"):
            if f" on {node}" in log.read_text():
                return log
        time.sleep(0.02)
    raise AssertionError(f"no stage on {node}: {driver.communicate()}")


def without_times(rows: list[Row]) -> list[Row]:
    return [{**row, "seconds": ""} for row in rows]


def test_a_study_survives_the_loss_of_a_node(
    values: dict[str, Any],
    cluster: Any,
    tmp_path: Path,
) -> None:
    file, out = tmp_path / "study.yaml", Path(values["out"])
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    command = [sys.executable, "-m", "stillright", "study", str(file), "--ray", cluster.address]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, **pipes) as driver:
        (lost,) = cluster.worker_nodes
        log = stage_on(lost.node_id, out / "store", driver)
        cluster.remove_node(lost, allow_graceful=False)
        printed, _ = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, printed
    attempts = [line for line in log.read_text().splitlines() if " on " in line]
    assert len(attempts) == 2
    assert lost.node_id not in attempts[1]
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
