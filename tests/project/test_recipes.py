"""Every recipe has the paper's settings, and runs: on bases of the same architectures and vocabularies, and on rows of
the same columns."""

from __future__ import annotations

import gc
import json
import re
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from places import ROOT
from recipes import BASES, TEST, StandIn, short_answers, small_study, small_update, write_base
from recount import table
from stillright.cli import main
from stillright.config import UpdateConfig, load_study, load_update
from stillright.models import Source, load_tokenizer
from stillright.stages.stage import Stage
from stillright.study.graph import Graph
from stillright.study.matrix import Cell, cells_of
from stillright.study.store import Store

RECIPES = ROOT / "recipes"
SINGLE = ["llama1-to-2", "vicuna1.3-to-1.5", "phi1-to-1.5", "phi1.5-to-2", "phi1.5-to-2-ce"]
TASKS = {"piqa", "hellaswag", "gsm8k", "samsum"}
WITH_CROSS_ENTROPY: dict[str, set[str]] = {  # update: tasks to whose distillation the paper adds it
    "llama-1-to-llama-2": set(),
    "vicuna-1.3-to-vicuna-1.5": set(),
    "phi-1-to-phi-1.5": TASKS,
    "phi-1.5-to-phi-2": {"hellaswag", "gsm8k"},
}
MUSCLE = {"mask": "student_wrong", "temperature": 2.0, "choose": "loss"}


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """The folder of a tiny base for an id of the hub, each made once."""
    return cache(lambda hub_id: write_base(hub_id, tmp_path_factory.mktemp("base")))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both studies: what one has built, the other need not build again."""
    return tmp_path_factory.mktemp("studies")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Short answers, no figures, and a garbage collection after each training that skips all that is imported."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    gc.freeze()
    with short_answers():
        yield
    gc.unfreeze()


def ce_weight(update: str, task: str) -> float:
    return 0.5 if task in WITH_CROSS_ENTROPY[update] else 0.0


def cells(file: Path) -> list[Cell]:
    return cells_of(load_study(file), str(file))


def assert_all_are_done(out: Path, number: int) -> list[dict[str, str]]:
    rows = table(out / "cells.csv")
    assert [(row["status"], row["reason"], row["n"]) for row in rows] == [("done", "", str(len(TEST)))] * number
    return rows


def made_from(stage: Stage, out: Path) -> dict[str, Any]:
    """What a finished training says that it was made from."""
    folder = Store(out / "store").folder(stage)
    inputs: dict[str, Any] = json.loads((folder / f".stillright/{stage.kind}-adapter.json").read_text())["inputs"]
    return inputs


@pytest.mark.usefixtures("quick")
def test_the_study_of_the_paper_runs(stand_in: StandIn, out: Path) -> None:
    recipe = RECIPES / "paper.yaml"
    assert main(["study", str(recipe), *small_study(recipe, stand_in, out)]) == 0
    rows = assert_all_are_done(out, 4 * 4 * 3)
    assert {row["method"] for row in rows} == {"retrain", "continue_ce", "student_wrong"}
    run = cells(out / "study.yaml")
    graph, trained = Graph(run), {}
    for cell in (cell for cell in run if cell.strategy == "student_wrong"):
        adapter, _ = graph.stages_of(cell).own
        trained[cell.update, cell.task] = made_from(adapter, out)["strategy"]
    assert trained == {
        (update, task): MUSCLE | {"ce_weight": ce_weight(update, task)}
        for update in WITH_CROSS_ENTROPY
        for task in TASKS
    }
    assert len(table(out / "tables/ablation.csv")) == 4 * 4 * 2


@pytest.mark.usefixtures("quick")
def test_the_study_of_figure_4_runs(stand_in: StandIn, out: Path) -> None:
    recipe = RECIPES / "figure4.yaml"
    assert main(["study", str(recipe), *small_study(recipe, stand_in, out)]) == 0
    rows = assert_all_are_done(out, 13 * 4)
    assert all(row["predictions"] == row["predictions_new"] != row["predictions_old"] for row in rows)
    assert len({(row["old"], row["new"], row["task"]) for row in rows}) == 13 * 4
    assert len(table(out / "tables/discrete.csv")) == 13 * 3
    assert len(table(out / "tables/continuous.csv")) == 13


@pytest.mark.usefixtures("quick")
def test_a_single_update_runs(stand_in: StandIn, tmp_path: Path) -> None:
    path = RECIPES / "phi1.5-to-2-ce.yaml"
    config = load_update(path)
    small = small_update("hellaswag", stand_in(str(config.old)), stand_in(config.new), tmp_path)
    assert main(["run", str(path), *small]) == 0
    comparison = json.loads((tmp_path / "comparison.json").read_text())
    assert (comparison["task"], comparison["n"], comparison["unscored"]) == ("hellaswag", len(TEST), 0)
    assert [candidate["name"] for candidate in comparison["candidates"]] == ["compat"]
    training = json.loads((tmp_path / "adapters/compat/training.json").read_text())
    assert training["steps"] == 1  # 4 of 5 texts, 4 a step


def assert_published(config: UpdateConfig) -> None:
    """The hyper-parameters of the paper."""
    training = config.training
    assert (config.lora.r, config.lora.alpha, config.split_seed) == (128, 256, 0)
    assert (training.epochs, training.learning_rate, training.warmup_steps) == (10, 1e-4, 500)
    assert (training.weight_decay, training.validation_fraction, training.loss_on) == (0.0, 0.2, "all")


def test_the_study_of_the_paper_has_its_settings() -> None:
    study = cells(RECIPES / "paper.yaml")
    assert list(dict.fromkeys(cell.update for cell in study)) == list(WITH_CROSS_ENTROPY)
    assert {cell.task for cell in study} == TASKS
    for cell in study:
        assert_published(cell.shared)
        assert_published(cell.own)
        if cell.strategy == "student_wrong":
            assert cell.own.strategy.model_dump() == MUSCLE | {"ce_weight": ce_weight(cell.update, cell.task)}


def tasks_named(recipe: Path) -> list[str]:
    """The tasks that a recipe says it is for, where it sets one."""
    line = re.search("^task: .*$", recipe.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert line is not None
    return [word for word in re.findall(r"\w+", line[0]) if word in TASKS]


def test_single_updates_are_those_of_the_study() -> None:
    """Each with every task it names; its control is a strategy of the study."""
    apart = {"out", "controls", "dtype"}  # a study's cells have their dtype resolved
    study = [cell for cell in cells(RECIPES / "paper.yaml") if cell.strategy == "student_wrong"]
    left = {(cell.own.old, cell.own.new, cell.task): cell.own for cell in study}
    for recipe in (RECIPES / f"{name}.yaml" for name in SINGLE):
        for task in tasks_named(recipe):
            config = load_update(recipe, [f"task={task}"])
            cell = left.pop((config.old, config.new, task))
            assert config.model_dump(exclude=apart) == cell.model_dump(exclude=apart), (recipe, task)
            assert (config.controls, config.dtype) == (("continue_ce",), "auto")
    assert left == {}


def test_figure_4_has_13_updates_of_known_bases() -> None:
    figure, paper = (cells(RECIPES / f"{name}.yaml") for name in ("figure4", "paper"))
    pairs = list(dict.fromkeys((cell.old, cell.new) for cell in figure))
    assert len(pairs) == 13
    assert {base for cell in figure for base in (cell.shared.old, cell.shared.new)} == set(BASES)
    assert pairs[:4] == list(dict.fromkeys((cell.old, cell.new) for cell in paper))
    for cell in figure:
        assert_published(cell.shared)
        assert (cell.strategy, cell.recipe.baseline) == ("retrain", "retrain")


@pytest.mark.parametrize("recipe", ["llama1-to-2", "phi1.5-to-2"])
def test_a_dry_run_needs_no_weights(
    recipe: str, stand_in: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = RECIPES / f"{recipe}.yaml"
    config = load_update(path)
    old, new = (without_weights(stand_in(hub_id), tmp_path / hub_id) for hub_id in map(str, (config.old, config.new)))
    assert main(["run", str(path), *small_update("piqa", old, new, tmp_path), "--dry-run"]) == 0
    assert re.search(r"in total .+ MB", capsys.readouterr().out)


def without_weights(base: Path, folder: Path) -> Path:
    return Path(shutil.copytree(base, folder, ignore=shutil.ignore_patterns("*.safetensors")))


@pytest.mark.parametrize(
    ("hub_id", "pad", "pieces"),
    [
        ("huggyllama/llama-7b", "</s>", 32_000),  # it has none, so it is padded with the end
        ("lmsys/vicuna-7b-v1.5", "<unk>", 32_000),
        ("microsoft/phi-2", "<|endoftext|>", 50_295),
    ],
)
def test_stand_ins_have_the_quirks_of_their_families(hub_id: str, pad: str, pieces: int, stand_in: StandIn) -> None:
    tokenizer = load_tokenizer(Source(str(stand_in(hub_id))))
    assert (tokenizer.pad_token, len(tokenizer)) == (pad, pieces)
    config = json.loads((stand_in(hub_id) / "config.json").read_text())
    assert config["vocab_size"] == (51_200 if config["model_type"] == "phi" else pieces)
