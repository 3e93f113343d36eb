"""--dry-run: what it counts is what a run does, what it estimates is worked out by hand, and it leaves no trace."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console
from safetensors.torch import load_file

from stillright import models
from stillright.cli import main
from stillright.config import LoraConfig, parse_update
from stillright.dry_run import costs_of, stages_of
from stillright.estimate.cost import (
    Amount,
    checkpoint_bytes,
    forward_flops,
    next_tokens,
    teacher_bytes,
    training_flops,
    training_memory,
)
from stillright.estimate.shape import Shape, shape_of
from stillright.estimate.stage_cost import StageCost
from stillright.estimate.table import duration, size
from stillright.models import ModelRef
from stillright.pipeline import run_update
from stillright.stages.data import Data
from stillright.stages.update import answers_of
from stillright.training.lora import lora_config
from stillright.training.teachers.forms import Hidden, Sampled
from stillright.training.text import Text

SHAPE = Shape(
    parameters=1000, linear=600, widths=100, layers=2, hidden=8, attention=16, vocabulary=20, adapter=30
)  # made up
TEXTS = next_tokens([Text([1, 2, 3, 4]), Text([5, 6])])


def test_a_shape_by_hand(bases: tuple[Path, Path]) -> None:
    """Width 16, 32 inside, 2 layers, 320 pieces, rank 4."""
    ref = ModelRef.parse(str(bases[0]))
    layer = 4 * 16 * 16 + 3 * 16 * 32
    assert shape_of(ref.base, lora_config(LoraConfig(r=4, alpha=8), ref)) == Shape(
        parameters=2 * 320 * 16 + 2 * (layer + 2 * 16) + 16,
        linear=2 * layer,
        widths=2 * (4 * (16 + 16) + 3 * (16 + 32) + 7 * 4),
        layers=2,
        hidden=16,
        attention=16,
        vocabulary=320,
        adapter=2 * 4 * (4 * (16 + 16) + 3 * (16 + 32)),
    )


def test_operations_by_hand() -> None:
    assert Amount([4, 2], 4) == TEXTS
    attention = 2 * 2 * 16 * (16 + 4)
    assert forward_flops(SHAPE, TEXTS) == 2 * 600 * 6 + attention + 2 * 160 * 4
    head = 2 * 4 * (2 * 160 + 160)
    on_cpu = 2 * (2 * 600 * 6) + 3 * attention + 6 * 30 * 6 + head
    assert training_flops(SHAPE, TEXTS, accelerator=False, teacher_head=160) == on_cpu
    again = 2 * 600 * 6 + attention
    assert training_flops(SHAPE, TEXTS, accelerator=True, teacher_head=160) == on_cpu + again


def test_bytes_by_hand() -> None:
    shape = (8, 20, torch.bfloat16)  # width, vocabulary
    assert teacher_bytes(5, Hidden(), *shape) == 5 * (16 + 8 + 4) + 320
    assert teacher_bytes(5, Sampled(3, 2.0), *shape) == 5 * (3 * 4 + 4 + 8 + 4)
    assert checkpoint_bytes(SHAPE, epochs=10) == 30 * 4 + 3 * 30 * 12
    assert checkpoint_bytes(SHAPE, epochs=1) == 30 * 4 + 30 * 12
    kept = 2 * 8 * 4 + 170  # what enters two layers, and 0.85 of 100 numbers of four bytes, of one of them
    tensors = (1000 + 160) * 4 + 30 * 16 + 6 * kept + 4 * 3 * 6 * 20
    assert training_memory(SHAPE, 6, 4, accelerator=True, logits=3, teacher_head=160) == tensors


def planned(values: dict[str, Any]) -> dict[str, StageCost]:
    config = parse_update(values, "test")
    return {cost.name: cost for cost in costs_of(stages_of(config), Data(config), accelerator=False)}


def run(values: dict[str, Any]) -> str:
    """Runs the update; what was printed."""
    console = Console(width=140, file=io.StringIO(), record=True)
    run_update(parse_update(values, "test"), console)
    return console.export_text()


@pytest.mark.parametrize("mask", ["student_wrong", "choice"])
def test_what_is_counted_is_what_a_run_does(update_values: dict[str, Any], mask: str) -> None:
    values = {**update_values, "strategy": {"mask": mask}, "controls": ["continue_ce"], "predict_batch_size": 1}
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
    (cost,) = costs_of([answers_of(data.new, data.config, "new")], data, accelerator=False)
    assert cost.tokens == sum(len(ids) + 8 for ids in prompts)


def test_what_is_not_aligned_costs_fits_and_predictions(update_values: dict[str, Any]) -> None:
    stages = planned({**update_values, "align": False})
    assert list(stages) == ["fit old", "fit new", "predict old", "predict new"]


def test_choosing_by_flips_costs_more(update_values: dict[str, Any]) -> None:
    by_loss, by_flips = (planned({**update_values, "strategy": {"choose": choose}}) for choose in ("loss", "flips"))
    assert by_flips["align compat"].flops > by_loss["align compat"].flops
    assert by_flips["align compat"]._replace(flops=0) == by_loss["align compat"]._replace(flops=0)


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
    assert "memory, operations and time are estimates" in printed


@pytest.mark.usefixtures("no_weights")
def test_single_stages(update_values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = tmp_path / "task.yaml"
    task.write_text(yaml.safe_dump(update_values["task"]))
    adapter = tmp_path / "adapter"
    lora_config(LoraConfig(r=4, alpha=8), ModelRef.parse(update_values["old"])).save_pretrained(adapter)
    old, new = (f"{update_values[side]}+{adapter}" for side in ("old", "new"))
    quick = ["--task", str(task), "--out", str(tmp_path / "made"), "--dry-run"]
    before = everything(tmp_path)
    assert main(["fit", update_values["old"], *quick]) == 0
    assert main(["align", "--old", old, "--new", new, *quick]) == 0
    printed = capsys.readouterr().out
    assert all(f" {stage} " in printed for stage in ("fit made", "teach old", "teach new", "align made"))
    assert main(["align", "--old", update_values["old"], "--new", new, *quick]) == 2
    assert "needs a task adapter" in capsys.readouterr().err
    assert everything(tmp_path) == before


def test_sizes_and_durations_are_readable() -> None:
    sizes = {None: "small", 0: "", 999: "999 B", 19_537_920: "19.5 MB", 137_000_000_000: "137 GB"}
    assert {count: size(count) for count in sizes} == sizes
    assert [duration(seconds) for seconds in (0.25, 90, 7200, 1e6)] == ["0.25 s", "1.5 min", "2 h", "278 h"]
