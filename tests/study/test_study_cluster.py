"""Which stages a cluster is given, and when; Ray itself is played."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from played_ray import PlayedRay
from stillright.config import parse_update
from stillright.config.study import Resources
from stillright.models import ModelRef
from stillright.stages.align import Align
from stillright.stages.fit import Fit
from stillright.stages.predict import Predict
from stillright.stages.stage import Stage
from stillright.study.cluster import Cluster, joined, run_on_cluster
from stillright.study.store import Store

QUIET = Console(quiet=True)
BASE = ModelRef.parse("base")
CONFIG = parse_update({"old": "old", "new": "new", "task": "piqa"}, "test")


def chain(name: str) -> list[Stage]:
    """Three stages, each of which needs the one before."""
    fit = Fit(name=name, config=CONFIG, model=BASE, seed=0, known_key=f"fit-{name}")
    align = Align(name=name, config=CONFIG, old=BASE, new=fit, known_key=f"align-{name}")
    return [fit, align, Predict(name=name, config=CONFIG, model=align, known_key=f"predict-{name}")]


def run(ray: PlayedRay, names: str, tmp_path: Path, resources: dict[Any, Resources]) -> list[tuple[str, str | None]]:
    stages = [stage for name in names for stage in chain(name)]
    cluster = Cluster(ray, Store(tmp_path), resources)
    return [(outcome.stage.label, outcome.error) for outcome in run_on_cluster(stages, cluster, QUIET)]


def test_stages_of_earlier_cells_come_first(tmp_path: Path) -> None:
    ray = PlayedRay(CPU=1)
    run(ray, "acd", tmp_path, {})
    assert ray.given == [
        *("fit a", "fit c"),  # one runs, one waits
        *("align a", "align c", "predict a", "predict c"),  # before those of a cell that comes later
        *("fit d", "align d", "predict d"),
    ]
    assert ray.most == 2


@pytest.mark.parametrize(("holds", "most"), [({"CPU": 2}, 3), ({"CPU": 8, "GPU": 1}, 2)])
def test_one_stage_more_than_fits_is_given(tmp_path: Path, holds: dict[str, float], most: int) -> None:
    ray = PlayedRay(**holds)
    gpu = Resources(num_cpus=1, num_gpus=1) if "GPU" in holds else Resources()
    run(ray, "acdefg", tmp_path, {"fit": gpu, "align": gpu, "predict": gpu})
    assert ray.most == most
    assert len(ray.given) == 18


def test_what_needs_a_failed_stage_is_not_given(tmp_path: Path) -> None:
    ray = PlayedRay(CPU=4)
    outcomes = dict(run(ray, "ab", tmp_path, {}))
    assert outcomes == {
        **dict.fromkeys(["fit a", "align a", "predict a"]),
        **dict.fromkeys(["fit b", "align b", "predict b"], "fit b failed"),
    }
    assert ray.given == ["fit a", "fit b", "align a", "predict a"]


GPU = Resources(num_cpus=1, num_gpus=1)


def test_a_stage_that_takes_no_gpu_does_not_wait_for_one(tmp_path: Path) -> None:
    ray = PlayedRay(CPU=8, GPU=1)
    ray.slow = ["fit c", "fit d"]
    run(ray, "acd", tmp_path, {"fit": GPU})
    assert ray.given[:5] == ["fit a", "fit c", "align a", "fit d", "predict a"]


def test_a_stage_that_no_cluster_holds_keeps_no_other_from_running(tmp_path: Path) -> None:
    ray = PlayedRay(CPU=2, GPU=1)
    ray.slow = ["align a"]
    run(ray, "ac", tmp_path, {"align": Resources(num_cpus=1, num_gpus=2)})
    assert set(ray.given[:3]) == {"fit a", "fit c", "align a"}
    assert ray.given[-1] == "predict a"


def test_what_no_cluster_holds_is_said(tmp_path: Path) -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    cluster = Cluster(PlayedRay(CPU=2, GPU=1), Store(tmp_path), {"fit": Resources(num_cpus=1, num_gpus=2)})
    list(run_on_cluster(chain("a")[:1], cluster, console))
    said = "fit a: given to the cluster; it waits there: it takes 1 CPUs and 2 GPUs, the cluster has 2 CPUs and 1 GPUs"
    assert said in console.export_text()


def test_a_cluster_that_grows_is_given_more(tmp_path: Path) -> None:
    ray = PlayedRay(CPU=1)
    ray.slow, ray.grows = ["fit a", "fit c"], [{"CPU": 4}]
    run(ray, "acde", tmp_path, {})
    assert ray.given[:4] == ["fit a", "fit c", "fit d", "fit e"]


def test_the_cluster_that_was_joined_is_named() -> None:
    assert joined(PlayedRay()) == "joined the Ray cluster at 10.0.0.1:6379; nodes (3): 10.0.0.1, 10.0.0.2"
