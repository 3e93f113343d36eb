"""Every recipe runs: on bases of the same architectures and vocabularies, and on rows of the same columns."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipes import BASES, task_files, write_base
from stillright.cli import main
from stillright.config import UpdateConfig, load_update, parse_update, with_overrides
from stillright.models import Source, load_tokenizer

RECIPES = Path(__file__).parent.parent / "recipes"
UPDATES = ["llama1-to-2", "vicuna1.3-to-1.5", "phi1-to-1.5", "phi1.5-to-2"]
TASKS = ["piqa", "hellaswag", "gsm8k", "samsum"]
WITH_CROSS_ENTROPY: dict[str, set[str]] = {  # update: tasks to whose distillation the paper adds it
    "llama-1-to-llama-2": set(),
    "vicuna-1.3-to-vicuna-1.5": set(),
    "phi-1-to-phi-1.5": {"piqa", "hellaswag", "gsm8k", "samsum"},
    "phi-1.5-to-phi-2": {"hellaswag", "gsm8k"},
}
SMALL = {
    "lora.r": 4,
    "lora.alpha": 8,
    "training.epochs": 1,
    "training.batch_size": 4,
    "training.gradient_accumulation": 1,
    "training.learning_rate": 0.01,
    "training.max_length": 512,
    "controls": [],
    "dtype": "float32",
}
StandIn = Callable[[str], Path]


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """The folder of a tiny base for an id of the hub, each made once."""
    return cache(lambda hub_id: write_base(hub_id, tmp_path_factory.mktemp("base")))


def study(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((RECIPES / f"{name}.yaml").read_text())
    return values


def cell(values: dict[str, Any], old: str, new: str, task: str) -> UpdateConfig:
    """The update of one cell of a study that distils with student_wrong, or only measures."""
    bases, distils = values["bases"], "student_wrong" in values["strategies"]
    place = {"update": f"{old}-to-{new}", "task": task, "strategy": "student_wrong"}
    plain = {**values["common"], "old": bases[old], "new": bases[new], "task": values["tasks"][task], "align": distils}
    keys = [
        f"{key}={value}"
        for override in values.get("overrides", [])
        if override["where"].items() <= place.items()
        for key, value in override["set"].items()
    ]
    return parse_update(with_overrides(plain, keys), "study")


def small(config: UpdateConfig, task: str, stand_in: StandIn, folder: Path) -> list[str]:
    """Arguments that replace bases, data and sizes of an update."""
    files = {f"task.{split}": path for split, path in task_files(task, folder).items()}
    bases = {"old": stand_in(config.old), "new": stand_in(config.new)}
    values = {"task": task, **bases, **files, **SMALL, "out": folder / "run"}
    return [argument for key, value in values.items() for argument in ("--set", f"{key}={value}")]


@pytest.mark.parametrize(("recipe", "task"), list(zip(UPDATES, TASKS, strict=True)))
def test_an_update_of_the_paper_runs(recipe: str, task: str, stand_in: StandIn, tmp_path: Path) -> None:
    path = RECIPES / f"{recipe}.yaml"
    assert main(["run", str(path), *small(load_update(path), task, stand_in, tmp_path)]) == 0
    comparison = json.loads((tmp_path / "run/comparison.json").read_text())
    assert (comparison["task"], comparison["n"], comparison["unscored"]) == (task, 4, 0)
    assert [candidate["name"] for candidate in comparison["candidates"]] == ["compat"]
    training = json.loads((tmp_path / "run/adapters/compat/training.json").read_text())
    assert training["steps"] == 3  # 10 of 12 texts, 4 a step


@pytest.mark.parametrize(("old", "new", "task"), [("llama-1", "llama-3", "piqa"), ("phi-1", "phi-2", "samsum")])
def test_an_update_is_measured_alone(old: str, new: str, task: str, stand_in: StandIn, tmp_path: Path) -> None:
    config = cell(study("figure4"), old, new, task)
    path = tmp_path / "update.yaml"
    path.write_text(yaml.safe_dump({"old": config.old, "new": config.new, "task": task, "align": config.align}))
    assert main(["run", str(path), *small(config, task, stand_in, tmp_path)]) == 0
    comparison = json.loads((tmp_path / "run/comparison.json").read_text())
    assert (comparison["n"], comparison["candidates"]) == (4, [])
    assert sorted(folder.name for folder in (tmp_path / "run/adapters").iterdir()) == ["new", "old"]


def test_the_study_of_the_paper_has_its_settings() -> None:
    values = study("paper")
    assert [f"{old}-to-{new}" for old, new in values["updates"]] == list(WITH_CROSS_ENTROPY)
    assert set(values["tasks"]) == set(TASKS)
    for old, new in values["updates"]:
        for task in TASKS:
            config = cell(values, old, new, task)
            assert (config.lora.r, config.lora.alpha, config.training.epochs) == (128, 256, 10)
            assert (config.strategy.mask, config.strategy.temperature) == ("student_wrong", 2.0)
            assert (config.strategy.ce_weight > 0) == (task in WITH_CROSS_ENTROPY[f"{old}-to-{new}"])


def test_single_updates_are_those_of_the_study() -> None:
    values = study("paper")
    for name, (old, new) in zip(UPDATES, values["updates"], strict=True):
        assert load_update(RECIPES / f"{name}.yaml", ["out=runs/update"]) == cell(values, old, new, "piqa")


def test_figure_4_has_13_updates_of_known_bases() -> None:
    values = study("figure4")
    pairs = [tuple(pair) for pair in values["updates"]]
    assert len(set(pairs)) == len(pairs) == 13
    assert {name for pair in pairs for name in pair} == set(values["bases"])
    assert set(values["bases"].values()) == set(BASES)
    assert [tuple(pair) for pair in study("paper")["updates"]] == pairs[:4]


@pytest.mark.parametrize("recipe", ["llama1-to-2", "phi1.5-to-2"])
def test_a_dry_run_needs_no_weights(
    recipe: str, stand_in: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = RECIPES / f"{recipe}.yaml"
    arguments = small(load_update(path), "piqa", without_weights(stand_in, tmp_path), tmp_path)
    assert main(["run", str(path), *arguments, "--dry-run"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert re.search(r"On one A100 at 40% of its 3.1e\+14 operations/s: .+, and at most .+ of its 80 GB", printed)
    assert re.search(r"In total .+ on disk", printed)


def without_weights(stand_in: StandIn, folder: Path) -> StandIn:
    def copied(hub_id: str) -> Path:
        return Path(shutil.copytree(stand_in(hub_id), folder / hub_id, ignore=shutil.ignore_patterns("*.safetensors")))

    return copied


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
