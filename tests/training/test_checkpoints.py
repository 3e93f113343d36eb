"""Which checkpoint is kept: the order by hand, and runs in which flips choose another one than the loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from samples import colour_rows, write_rows
from stillright.config import StrategyConfig, parse_update
from stillright.errors import TaskError
from stillright.importers import read_predictions
from stillright.pipeline import run_update
from stillright.tasks import load_task
from stillright.training import loop
from stillright.training.checkpoints import by_flips, by_loss
from stillright.training.text import split_texts

Row = tuple[float, float, float]  # loss, right, lost


def evaluations(*rows: Row) -> list[dict[str, float]]:
    return [
        {"step": step, "eval_loss": loss, "eval_right": right, "eval_lost": lost}
        for step, (loss, right, lost) in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("rows", "step"),
    [
        ([(1.0, 0.6, 0.2), (0.5, 0.7, 0.3)], 0),  # loss and accuracy do not make up for flips
        ([(1.0, 0.6, 0.2), (1.5, 0.6, 0.1)], 1),  # as accurate as step 0 is enough
        ([(1.0, 0.6, 0.2), (0.5, 0.59, 0.0)], 0),  # less accurate is not
        ([(1.0, 0.6, 0.2), (0.9, 0.5, 0.0), (2.0, 0.7, 0.1)], 2),
        ([(1.0, 0.6, 0.2), (3.0, 0.7, 0.2), (2.0, 0.65, 0.2)], 1),  # equal flips: the higher accuracy
        ([(1.0, 0.6, 0.2), (0.9, 0.6, 0.2), (0.8, 0.6, 0.2)], 2),  # and equal accuracy: the lower loss
        ([(1.0, 0.6, 0.2), (1.0, 0.6, 0.2)], 0),  # all equal: the earlier step
        ([(1.0, 0.0, 0.0)], 0),
    ],
)
def test_flips_choose_by_hand(rows: list[Row], step: int) -> None:
    assert by_flips(evaluations(*rows)).evaluation["step"] == step


def test_the_loss_chooses_by_hand() -> None:
    rows = evaluations((1.0, 0.6, 0.2), (0.5, 0.1, 0.9), (0.5, 0.9, 0.0))
    chosen = by_loss(rows)
    assert chosen.evaluation["step"] == 1
    assert chosen.reason == "best validation loss 0.5000"


def test_the_reason_names_what_was_compared() -> None:
    rows = evaluations((1.0, 0.6, 0.2), (0.5, 0.5, 0.0), (2.0, 0.7, 0.125))
    assert by_flips(rows).reason == (
        "lowest NFR 12.50% (step 0: 20.00%) among 2 of 3 checkpoints with at least step 0's accuracy of 60.00%"
    )


@pytest.fixture
def long_update(update_values: dict[str, Any]) -> dict[str, Any]:
    """Six epochs, whose test samples are the training samples, so that those of validation are predicted too."""
    train = write_rows(Path(update_values["task"]["train"]), colour_rows(150, seed=0))
    task = {**update_values["task"], "test": str(train), "metric": "acc_norm"}
    return {**update_values, "task": task, "training": {**update_values["training"], "epochs": 6}}


def aligned(values: dict[str, Any], **strategy: Any) -> dict[str, Any]:
    """Runs the update; what stands beside its compat adapter."""
    run_update(parse_update({**values, "strategy": strategy}, "test"), Console(quiet=True))
    found: dict[str, Any] = json.loads((Path(values["out"]) / "adapters/compat/training.json").read_text())
    return found


def predicted(values: dict[str, Any]) -> dict[str, list[bool]]:
    """Which validation samples each model answers right in prediction."""
    config = parse_update(values, "test")
    split = split_texts(load_task(config.task).train_documents, config.training.validation_fraction, config.split_seed)
    ids = [document["id"] for document in split.validation]
    found = {}
    for name in ("old", "new", "compat"):
        table = read_predictions(Path(values["out"]) / "predictions" / f"{name}.jsonl").table
        right = dict(zip(table["id"], table["correct"], strict=True))
        found[name] = [right[identifier] for identifier in ids]
    return found


def share(answers: list[bool]) -> float:
    return sum(answers) / len(answers)


@pytest.mark.parametrize("mask", ["old_only", "choice_mixture"])
def test_flips_are_those_of_prediction(long_update: dict[str, Any], mask: str) -> None:
    training = aligned(long_update, mask=mask, choose="flips")
    right = predicted(long_update)
    start, *_ = training["validation"]
    (best,) = (evaluation for evaluation in training["validation"] if evaluation["step"] == training["best_step"])
    for evaluation, name in ((start, "new"), (best, "compat")):
        assert evaluation["right"] == pytest.approx(share(right[name]))
        lost = [old and not new for old, new in zip(right["old"], right[name], strict=True)]
        assert evaluation["lost"] == pytest.approx(share(lost))
    assert training["reason"].startswith("lowest NFR")
    assert best["right"] >= start["right"]


def test_flips_may_choose_another_checkpoint_than_the_loss(long_update: dict[str, Any]) -> None:
    long_update["task"]["test_limit"] = 4
    by_loss, by_flips = (aligned(long_update, mask="old_only", choose=choose) for choose in ("loss", "flips"))
    assert by_loss["validation_losses"] == by_flips["validation_losses"]
    assert by_flips["best_step"] != by_loss["best_step"]
    assert by_flips["best_validation_loss"] > by_loss["best_validation_loss"] == min(by_loss["validation_losses"])
    at = {evaluation["step"]: evaluation["lost"] for evaluation in by_flips["validation"]}
    assert at[by_flips["best_step"]] < at[by_loss["best_step"]]
    assert "lost" not in by_loss["validation"][0]  # choices are not scored for nothing


def test_a_resumed_training_chooses_the_same(
    long_update: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after the checkpoint that is chosen in the end."""
    long_update["task"]["test_limit"] = 4
    unbroken = aligned({**long_update, "out": str(tmp_path / "unbroken")}, mask="old_only", choose="flips")
    assert 0 < unbroken["best_step"] < 40

    def interrupt(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.epoch == 5 and "align-compat" in args.output_dir:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop._ShowProgress, "on_epoch_begin", interrupt, raising=False)
        with pytest.raises(KeyboardInterrupt):
            aligned(long_update, mask="old_only", choose="flips")
    assert aligned(long_update, mask="old_only", choose="flips") == unbroken
    outs = Path(long_update["out"]), tmp_path / "unbroken"
    first, second = ((out / "adapters/compat/adapter_model.safetensors").read_bytes() for out in outs)
    assert first == second


def test_flips_need_choices(update_values: dict[str, Any]) -> None:
    task = {**update_values["task"], "answer": "text", "metric": "rouge1", "choices": None, "max_new_tokens": 8}
    with pytest.raises(TaskError, match=r"generated, but strategy\.choose flips needs choices; take"):
        aligned({**update_values, "task": task}, mask="old_only", choose="flips")


def test_the_loss_chooses_unless_told_otherwise() -> None:
    assert StrategyConfig().choose == "loss"
