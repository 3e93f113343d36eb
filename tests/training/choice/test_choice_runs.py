"""Whole runs over choices: each teacher is asked once, also across tokenizers and after interruptions."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from architectures import WINDOW, far_seeing, tiny
from samples import write_rows
from stillright.config import parse_update
from stillright.errors import TaskError
from stillright.pipeline import run_update
from stillright.training.choice import choice_batches, teacher_scores


def aligned(values: dict[str, Any], mask: str) -> dict[str, Any]:
    """Runs the update; what stands beside its compat adapter."""
    run_update(parse_update({**values, "strategy": {"mask": mask}}, "test"), Console(quiet=True))
    found: dict[str, Any] = json.loads((Path(values["out"]) / "adapters/compat/training.json").read_text())
    return found


@pytest.mark.parametrize("mask", ["choice", "choice_mixture"])
def test_runs_lower_their_loss(update_values: dict[str, Any], mask: str) -> None:
    training = aligned(update_values, mask)
    assert training["best_validation_loss"] < training["validation_losses"][0]
    assert {"kl", "cross_entropy", "right", "lost"} <= training["validation"][0].keys()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The teachers that are asked from now on."""
    choice_scores, labels = teacher_scores.choice_scores, list[str]()

    def noted(*args: Any) -> torch.Tensor:
        labels.append(args[-1])
        return choice_scores(*args)

    monkeypatch.setattr(teacher_scores, "choice_scores", noted)
    return labels


def test_the_control_learns_from_labels_alone(update_values: dict[str, Any], asked: list[str]) -> None:
    training = aligned(update_values, "choice_ce")
    assert asked == ["old teacher"]  # for `lost`
    for evaluation in training["validation"]:
        assert evaluation["loss"] == pytest.approx(evaluation["cross_entropy"], rel=1e-5)


@pytest.fixture
def quick(update_values: dict[str, Any]) -> dict[str, Any]:
    return {**update_values, "training": {**update_values["training"], "epochs": 1}}


def test_strategies_and_seeds_ask_each_teacher_once(quick: dict[str, Any], asked: list[str]) -> None:
    aligned(quick, "choice_ce")
    assert asked == ["old teacher"]
    for mask in ("choice", "choice_mixture", "choice_ce"):
        aligned({**quick, "align_seed": 3}, mask)
    assert asked == ["old teacher", "new teacher"]


@pytest.mark.parametrize("changed", ["lengths", "texts", "old", "new"])
def test_only_what_a_teacher_reads_asks_it_again(
    quick: dict[str, Any], asked: list[str], make_base: Callable[..., Path], tmp_path: Path, changed: str
) -> None:
    aligned(quick, "choice_mixture")
    asked.clear()
    if changed == "lengths":
        quick["task"]["metric"] = "acc_norm"
    elif changed == "texts":
        rows = [{"question": "What colour is it", "choices": ["red", "blue"]}]
        quick["task"]["unlabelled"] = str(write_rows(tmp_path / "unlabelled.jsonl", rows))
    else:
        quick[changed] = str(make_base(seed=9))
    aligned(quick, "choice_mixture")
    assert asked == ([f"{changed} teacher"] if changed in ("old", "new") else ["old teacher", "new teacher"])


def scores(values: dict[str, Any], role: str) -> Path:
    return Path(values["out"]) / f".stillright/teachers/{role}-choices.safetensors"


def compat(values: dict[str, Any]) -> dict[str, bytes]:
    """The files of the compat adapter that were trained."""
    folder = Path(values["out"]) / "adapters/compat"
    return {name: (folder / name).read_bytes() for name in ("adapter_model.safetensors", "training.json")}


def test_damaged_scores_are_made_again(quick: dict[str, Any], asked: list[str]) -> None:
    aligned(quick, "choice")
    whole = scores(quick, "new").read_bytes()
    scores(quick, "new").write_bytes(whole[:-4] + bytes(4))
    asked.clear()
    aligned(quick, "choice_mixture")
    assert asked == ["new teacher"]
    assert scores(quick, "new").read_bytes() == whole


def test_a_run_interrupted_by_its_second_teacher_does_not_ask_the_first_again(
    quick: dict[str, Any], asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = {**quick, "out": str(tmp_path / "unbroken")}
    aligned(unbroken, "choice")
    asked.clear()

    def interrupt(*args: Any) -> Any:
        if args[-1] == "new teacher":
            raise KeyboardInterrupt
        return choice_batches.reading_of(*args)

    with monkeypatch.context() as patch:
        patch.setattr(teacher_scores, "reading_of", interrupt)
        with pytest.raises(KeyboardInterrupt):
            aligned(quick, "choice")
    assert (asked, scores(quick, "new").exists()) == (["old teacher"], False)
    aligned(quick, "choice")
    assert asked == ["old teacher", "new teacher"]
    assert compat(quick) == compat(unbroken)
    for role in ("old", "new"):
        assert scores(quick, role).read_bytes() == scores(unbroken, role).read_bytes()


def test_tokenizers_may_differ(update_values: dict[str, Any], make_base: Callable[..., Path]) -> None:
    other = make_base(seed=6)
    content = json.loads((other / "tokenizer.json").read_text())
    content["model"]["merges"] = content["model"]["merges"][:10]
    (other / "tokenizer.json").write_text(json.dumps(content))
    assert aligned({**update_values, "new": str(other)}, "choice")["steps"] == 4


def test_a_base_that_cannot_read_trees_is_aligned_all_the_same(
    update_values: dict[str, Any], make_base: Callable[..., Path]
) -> None:
    windowed = make_base(seed=8)
    model = tiny("mistral", **WINDOW, bos_token_id=0, eos_token_id=0, pad_token_id=0)
    far_seeing(model)
    model.save_pretrained(windowed)
    console = Console(width=140, record=True, file=io.StringIO())
    values = {**update_values, "new": str(windowed), "strategy": {"mask": "choice"}}
    run_update(parse_update(values, "test"), console)
    printed = console.export_text()
    assert (
        "align compat: scores choices in a tree differently from choices apart, so the prompt is repeated for each"
        in printed
    )
    assert "old teacher: scores" not in printed
    training = json.loads((Path(values["out"]) / "adapters/compat/training.json").read_text())
    assert training["best_validation_loss"] < training["validation_losses"][0]


def test_generated_answers_are_refused(update_values: dict[str, Any]) -> None:
    task = {**update_values["task"], "answer": "text", "metric": "rouge1", "choices": None, "max_new_tokens": 8}
    with pytest.raises(TaskError, match=r"its answers are generated, but strategy\.mask choice needs choices"):
        aligned({**update_values, "task": task}, "choice")
