"""A stage that is given several GPUs: as many processes work at it, and the cell means the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from safetensors.torch import load_file
from torch.testing import assert_close

from played_ray import PlayedRay
from stillright.config import StudyConfig
from stillright.config.study import Resources
from stillright.errors import ConfigError
from stillright.importers import read_predictions
from stillright.models import ModelRef
from stillright.stages.combine import Carry
from stillright.stages.stage import Stage
from stillright.study.cluster import Cluster, build_on_node, run_on_cluster
from stillright.study.graph import Graph
from stillright.study.launch import divided, processes_for
from stillright.study.matrix import cells_of
from stillright.study.store import Store

QUIET = Console(quiet=True)


@pytest.fixture
def predicted(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The predictions of a task adapter, which need its fit."""
    monkeypatch.setattr("stillright.study.cluster.node", lambda: "this one")
    cells = cells_of(StudyConfig.model_validate(values), "study.yaml")
    return Graph(cells).stages_of(cells[0]).new


def built(stages: list[Stage], root: Path, processes: int) -> Store:
    assert [build_on_node(stage, root, processes) for stage in stages] == [None] * len(stages)
    return Store(root)


def test_two_processes_make_the_stages_of_one(predicted: Stage, tmp_path: Path) -> None:
    fit = predicted.needs["model"]
    alone, together = (built([fit, predicted], tmp_path / str(n), n) for n in (1, 2))
    one, two = (load_file(store.path(fit) / "adapter_model.safetensors") for store in (alone, together))
    assert_close(two, one, atol=1e-4, rtol=1e-3)
    steps = [json.loads((store.path(fit) / "training.json").read_text())["steps"] for store in (alone, together)]
    assert steps[0] == steps[1]
    answers = [read_predictions(store.path(predicted)).table["prediction"] for store in (alone, together)]
    assert answers[0].equals(answers[1])
    assert together.is_done(predicted)
    assert together.seconds(fit) > 0


def test_an_error_of_several_processes_is_one_line(predicted: Stage, tmp_path: Path) -> None:
    fit = predicted.needs["model"]
    lost: Stage = replace(fit, model=ModelRef.parse(str(tmp_path / "no")), known_key=fit.key)  # type: ignore[call-arg]
    error = build_on_node(lost, tmp_path, 2)
    assert error is not None
    assert error.startswith(f"{fit.label}: ")
    assert str(tmp_path / "no") in error
    assert "\n" not in error
    assert not Store(tmp_path).is_done(lost)


@pytest.mark.parametrize(
    ("accumulation", "batch", "processes", "own"), [(8, 8, 4, (2, 8)), (1, 8, 4, (1, 2)), (6, 8, 4, (6, 2))]
)
def test_each_process_takes_its_part_of_a_step(
    predicted: Stage, accumulation: int, batch: int, processes: int, own: tuple[int, int]
) -> None:
    fit = with_step(predicted.needs["model"], accumulation, batch)
    training = divided(fit, processes).config.training
    assert (training.gradient_accumulation, training.batch_size) == own
    assert divided(predicted, processes) is predicted


def with_step(fit: Stage, accumulation: int, batch: int) -> Stage:
    step = {"gradient_accumulation": accumulation, "batch_size": batch}
    return replace(fit, config=fit.config.model_copy(update={"training": fit.config.training.model_copy(update=step)}))


def test_gpus_that_cannot_share_a_step_are_refused_before_any_stage(predicted: Stage, tmp_path: Path) -> None:
    ray = PlayedRay(CPU=4, GPU=8)
    cluster = Cluster(ray, Store(tmp_path), {"fit": Resources(num_gpus=3)})
    with pytest.raises(ConfigError, match=r"resources\.fit\.num_gpus"):
        list(run_on_cluster([predicted.needs["model"]], cluster, QUIET))
    assert ray.given == []


@pytest.mark.parametrize(
    ("is_carried", "gpus", "processes"), [(False, 2, 2), (False, 0.5, 1), (False, 0, 1), (True, 2, 1)]
)
def test_one_process_per_gpu(predicted: Stage, is_carried: bool, gpus: float, processes: int) -> None:
    stage = Carry(name="carried", config=predicted.config, old=predicted.needs["model"]) if is_carried else predicted
    assert processes_for(stage, gpus) == processes


def test_a_part_of_a_second_gpu_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.5 GPUs: give a whole number"):
        Resources(num_gpus=1.5)
