"""--dry-run: what it counts is what a run does, and it leaves no trace."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console
from safetensors.torch import load_file

from samples import generation
from stillright import models
from stillright.cli import main
from stillright.config import LoraConfig, parse_update
from stillright.dry_run import costs_of, size, stages_of
from stillright.models import ModelRef
from stillright.pipeline import run_update
from stillright.stages.cost import StageCost, adapter_parameters, checkpoint_bytes, teacher_bytes, total
from stillright.stages.data import Data
from stillright.stages.update import answers_of
from stillright.training.lora import lora_config
from stillright.training.teachers.forms import Hidden, Sampled


def test_parameters_by_hand(bases: tuple[Path, Path]) -> None:
    """Width 16, 32 inside, 2 layers, rank 4: the inputs and outputs of all linear layers."""
    found = adapter_parameters(ModelRef.parse(str(bases[0])), LoraConfig(r=4, alpha=8))
    assert found == 2 * 4 * (4 * (16 + 16) + 3 * (16 + 32))


def test_bytes_by_hand() -> None:
    shape = (8, 20, torch.bfloat16)  # width, vocabulary
    assert teacher_bytes(5, Hidden(), *shape) == 5 * (16 + 8 + 4) + 320
    assert teacher_bytes(5, Sampled(3, 2.0), *shape) == 5 * (3 * 4 + 4 + 8 + 4)
    assert checkpoint_bytes(30, epochs=10) == 30 * 4 + 3 * 30 * 12
    assert checkpoint_bytes(30, epochs=1) == 30 * 4 + 30 * 12


def test_what_is_kept_adds_up_and_what_is_not_does_not() -> None:
    costs = [StageCost("fit", 1, 2, 3, 4, 50), StageCost("teach", 10, 20, 0, 40, 5)]
    assert total("both", costs) == ("both", 11, 22, 3, 44, 50)
    assert total("none", []) == StageCost("none")


def planned(values: dict[str, Any]) -> dict[str, StageCost]:
    config = parse_update(values, "test")
    return {cost.label: cost for cost in costs_of(stages_of(config), Data(config))}


def run(values: dict[str, Any]) -> str:
    """Runs the update; what was printed."""
    console = Console(width=140, file=io.StringIO(), record=True)
    run_update(parse_update(values, "test"), console)
    return console.export_text()


@pytest.mark.parametrize("mask", ["student_wrong", "choice"])
def test_what_is_counted_is_what_a_run_does(update_values: dict[str, Any], mask: str) -> None:
    controls = ["continue_ce", "ensemble"]
    values = {**update_values, "strategy": {"mask": mask}, "controls": controls, "predict_batch_size": 1}
    stages, printed, out = planned(values), run(values), Path(update_values["out"])
    for name in ("fit old", "fit new", "align compat", "fit continue_ce"):
        adapter = out / "adapters" / name.partition(" ")[2]
        training = json.loads((adapter / "training.json").read_text())
        assert (stages[name].tokens, stages[name].steps) == (training["tokens"], training["steps"])
        weights = load_file(adapter / "adapter_model.safetensors").values()
        assert stages[name].kept == sum(weight.nbytes for weight in weights)
    for name in ("old", "new", "compat", "continue_ce"):
        stage = stages[f"predict {name}"]
        assert stage.samples == 12
        assert f"predict {name}: {stage.tokens:,} tokens in" in printed  # one text a batch: there is no padding
    assert stages["ensemble"].samples == 12
    assert stages["ensemble"].tokens == stages["predict old"].tokens + stages["predict new"].tokens
    assert printed.count(f"predict ensemble: {stages['predict new'].tokens:,} tokens in") == 2  # old and new read alike


@pytest.fixture
def alike(update_values: dict[str, Any], make_base: Callable[..., Path]) -> dict[str, Any]:
    """An update whose bases have the same shapes."""
    return {**update_values, "old": str(make_base(seed=1)), "new": str(make_base(seed=3))}


@pytest.mark.parametrize("generated", [False, True])
def test_a_search_asks_no_more_than_was_announced(alike: dict[str, Any], generated: bool) -> None:
    task = generation(alike["task"], "exact_match") if generated else alike["task"]
    values = {**alike, "strategy": {"mask": "auto", "rank": 3}, "task": task, "predict_batch_size": 1}
    stages, printed, out = planned(values), run(values), Path(values["out"])
    assert [*stages][:4] == ["fit old", "fit new", "fit compat-labels", "transfer compat"]
    training = json.loads((out / ".stillright/adapters/compat-labels/training.json").read_text())
    labels, search = stages["fit compat-labels"], stages["transfer compat"]
    assert (labels.tokens, labels.steps) == (training["tokens"], training["steps"])
    asked = re.findall(r"transfer compat, (.*): ([\d,]+) tokens in", printed)
    (by_old,) = (int(tokens) for said, tokens in asked if said == "old")
    by_new = [int(tokens.replace(",", "")) for said, tokens in asked if said not in ("old", "activations")]
    assert search.samples == 8
    assert len(by_new) <= 12
    assert by_old + 12 * max(by_new) <= search.tokens
    assert generated or search.tokens == by_old + 12 * by_new[0]
    assert search.kept == adapter_parameters(ModelRef.parse(values["new"]), LoraConfig(r=2 * 4 + 3, alpha=1)) * 4


def test_a_strategy_that_leaves_old_weights_alone_is_told(
    alike: dict[str, Any], update_values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = "strategy.mask student_wrong: does not use old's weights, though old and new have the same shapes"
    cases = ((alike, True), (update_values, False), ({**alike, "strategy": {"mask": "auto"}}, False))
    for values, is_told in (*cases, ({**alike, "align": False}, False)):
        update = tmp_path / "update.yaml"
        update.write_text(yaml.safe_dump(values))
        assert main(["run", str(update), "--dry-run"]) == 0
        assert (note in " ".join(capsys.readouterr().out.split())) == is_told
    assert note in " ".join(run(alike).split())


def test_a_dry_run_says_that_old_weights_cannot_be_followed(
    update_values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = "strategy.mask auto: old's weights cannot be followed, only labels: base"
    for changes, is_told in (({"strategy": {"mask": "auto"}}, True), ({"align": False}, False), ({}, False)):
        update = tmp_path / "update.yaml"
        update.write_text(yaml.safe_dump({**update_values, **changes}))
        assert main(["run", str(update), "--dry-run"]) == 0
        printed = " ".join(capsys.readouterr().out.split())
        assert (note in printed) == is_told
        assert ("is 24 x 48, in" in printed) == is_told


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_teacher_takes_the_bytes_that_were_announced(update_values: dict[str, Any], dtype: str) -> None:
    values = {**update_values, "dtype": dtype}
    stages, _ = planned(values), run(values)
    for role in ("old", "new"):
        folder = Path(values["out"]) / ".stillright/teachers" / role
        rows = sum(file.stat().st_size for file in folder.glob("*.bin"))
        head = sum(tensor.nbytes for tensor in load_file(folder / "head.safetensors").values())
        assert stages[f"teach {role}"].kept == rows + head


@pytest.mark.parametrize("mask", ["choice", "choice_ce"])
def test_scores_take_the_bytes_that_were_announced(update_values: dict[str, Any], mask: str) -> None:
    values = {**update_values, "strategy": {"mask": mask}}
    stages, _ = planned(values), run(values)
    files = (Path(values["out"]) / ".stillright/teachers").glob("*.safetensors")
    kept = {f"teach {file.stem}": load_file(file)["scores"].nbytes for file in files}
    assert kept == {name: stage.kept for name, stage in stages.items() if name.startswith("teach ")}
    assert len(kept) == (1 if mask == "choice_ce" else 2)
    assert set(kept.values()) == {4 * 40 * 3}


def test_answers_that_are_generated_are_counted_at_their_longest(update_values: dict[str, Any]) -> None:
    task = {**update_values["task"], "answer": "text", "metric": "rouge1", "max_new_tokens": 8, "choices": None}
    data = Data(parse_update({**update_values, "task": task}, "test"))
    tokenizer = models.load_tokenizer(data.new.base)
    prompts = [tokenizer(data.task.prompt(document))["input_ids"] for document in data.task.harness.eval_docs]
    (cost,) = costs_of([answers_of(data.new, data.config, "new")], data)
    assert cost.tokens == sum(len(ids) + 8 for ids in prompts)


def test_what_is_not_aligned_costs_fits_and_predictions(update_values: dict[str, Any]) -> None:
    stages = planned({**update_values, "align": False})
    assert list(stages) == ["fit old", "fit new", "predict old", "predict new"]


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", refused)


def everything(folder: Path) -> list[tuple[Path, int]]:
    return sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))


@pytest.mark.usefixtures("no_weights")
def test_a_dry_run_leaves_no_trace(
    update_values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    update = tmp_path / "update.yaml"
    update.write_text(yaml.safe_dump({**update_values, "controls": ["continue_ce"]}))
    before = everything(tmp_path)
    assert main(["run", str(update), "--dry-run"]) == 0
    assert everything(tmp_path) == before
    printed = capsys.readouterr().out
    stages = ["fit old", "fit new", "teach old", "teach new", "align compat", "fit continue_ce"]
    for stage in [*stages, *(f"predict {name}" for name in ("old", "new", "compat", "continue_ce"))]:
        assert f" {stage} " in printed
    assert " in total " in printed
    assert "warning: 12 test rows show a fall of NFR from 39.5 points on" in printed  # 7.849 / 19.849


@pytest.mark.usefixtures("no_weights")
def test_single_stages(update_values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = tmp_path / "task.yaml"
    task.write_text(yaml.safe_dump(update_values["task"]))
    adapter = tmp_path / "adapter"
    lora_config(LoraConfig(r=4, alpha=8), ModelRef.parse(update_values["old"])).save_pretrained(adapter)
    old, new = (f"{update_values[side]}+{adapter}" for side in ("old", "new"))
    quick = ["--task", str(task), "--out", str(tmp_path / "made"), "--dry-run"]
    distilled = ["--set", "strategy.mask=student_wrong"]
    before = everything(tmp_path)
    assert main(["fit", update_values["old"], *quick]) == 0
    assert main(["align", "--old", old, "--new", new, *quick, *distilled]) == 0
    printed = capsys.readouterr().out
    assert all(f" {stage} " in printed for stage in ("fit made", "teach old", "teach new", "align made"))
    assert main(["align", "--old", old, "--new", new, *quick]) == 0
    printed = capsys.readouterr().out
    assert all(f" {stage} " in printed for stage in ("fit made-labels", "transfer made"))
    assert main(["align", "--old", update_values["old"], "--new", new, *quick]) == 2
    assert "needs a task adapter" in capsys.readouterr().err
    assert everything(tmp_path) == before


def test_sizes_are_readable() -> None:
    sizes = {0: "", 999: "999 B", 19_537_920: "19.5 MB", 137_000_000_000: "137 GB"}
    assert {count: size(count) for count in sizes} == sizes
