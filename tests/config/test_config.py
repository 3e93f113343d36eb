"""update.yaml: defaults are the paper's, unknown keys are refused, --set stands above the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stillright.config import OldAnswers, load_update, parse_update, with_overrides
from stillright.errors import ConfigError

LEAST: dict[str, Any] = {"old": "a", "new": "b", "task": "piqa"}


def test_defaults_are_the_papers() -> None:
    """But for the strategy, which is the paper's where its mask is given."""
    config = parse_update({**LEAST, "strategy": {"mask": "student_wrong"}}, "here")
    assert (config.lora.r, config.lora.alpha, config.lora.dropout) == (128, 256, 0.0)
    training = config.training
    assert (training.epochs, training.learning_rate, training.gradient_accumulation) == (10, 1e-4, 8)
    assert (training.warmup_steps, training.weight_decay, training.validation_fraction) == (500, 0.0, 0.2)
    assert (config.strategy.temperature, config.strategy.ce_weight, config.strategy.choose) == (2.0, 0.0, "loss")
    assert parse_update(LEAST, "here").strategy.mask == "auto"


def test_one_seed_stands_for_all() -> None:
    config = parse_update({**LEAST, "seed": 5, "fit_seed": 0}, "here")
    assert (config.split_seed, config.fit_seed, config.align_seed) == (5, 0, 5)


def test_overrides_reach_into_sections() -> None:
    values = with_overrides(LEAST, ["training.epochs=3", "task.train=a.jsonl", "task.test=b.jsonl", "seed=7"])
    config = parse_update(values, "here")
    assert config.training.epochs == 3
    assert (config.task.name, config.task.train) == ("piqa", Path("a.jsonl"))
    assert config.seed == 7


OWN = {"name": "x", "prompt": "{{q}}", "answer": "a", "train": "train.jsonl", "test": "test.jsonl"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trainig": {}}, "unknown key 'trainig'; did you mean 'training'?"),
        ({"training": {"epoch": 3}}, "unknown key 'training.epoch'; did you mean 'epochs'?"),
        ({"training": {"epochs": 0}}, "training.epochs: should be greater than 0 (given: 0)"),
        ({"lora": {"r": 10**30}}, f"lora.r: should be less than 2147483648 (given: {10**30})"),
        ({"strategy": {"mask": "both"}}, "strategy.mask"),
        ({"task": {"name": "x", "train": "a"}}, "give both or neither"),
        ({"task": {"name": "x", "prompt": "{{q}}"}}, "also needs train, test and answer"),
        (
            {"task": {**OWN, "metric": "f1"}},
            "a task of your own has no metric 'f1'; use acc or acc_norm with choices, exact_match or rouge1 without",
        ),
        ({"task": {**OWN, "metric": "acc"}}, "the metric acc needs choices"),
        ({"task": {**OWN, "choices": "c", "metric": "rouge1"}}, "the metric rouge1 is for generated answers"),
        ({"seed": -1}, "seed"),
        ({"old": 3}, "old: should be text (given: 3)"),
        ({"lora": {"alpha": True}}, "lora.alpha: should be a whole number (given: True)"),
        ({"training": {"learning_rate": True}}, "training.learning_rate: should be a number (given: True)"),
        ({"strategy": {"ce_weight": False}}, "strategy.ce_weight: should be a number (given: False)"),
        ({"seed": True}, "seed: should be a whole number (given: True)"),
        ({"old": {"train": "a.jsonl"}}, "the key 'old.test' is missing"),
        ({"old": {"tset": "a.jsonl"}}, "unknown key 'old.tset'; did you mean 'test'?"),
        ({"training": {"loss_on": "answer"}}, "training.loss_on: should be 'all' or 'completion' (given: 'answer')"),
        ({"teachers": {"form": "hiden"}}, "did you mean 'hidden'?"),
        ({"teachers": {"form": "topk"}}, "teachers.form: should be 'hidden', 'sampled' or 'live' (given: 'topk')"),
        ({"teachers": {"form": "sampled", "entries": 0}}, "teachers.entries: should be greater than 0 (given: 0)"),
        (
            {"teachers": {"form": "sampled"}, "strategy": {"mask": "mixture"}},
            "strategy.mask mixture needs whole distributions, and teachers.form sampled keeps only part; "
            "use form hidden or live",
        ),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_update({**LEAST, **change}, "update.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("update.yaml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), ("a: [", "not YAML"), ("- 1", "holds no keys"), ("old: a", "'new' is missing")],
)
def test_bad_files_are_named(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "update.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_update(path)


def test_old_is_a_model_or_files_of_its_answers(tmp_path: Path) -> None:
    """A file that is there holds the answers to all rows; any other text is a model."""
    log = tmp_path / "answers.jsonl"
    log.touch()
    of_answers = {**LEAST, "strategy": {"mask": "choice"}}
    both = parse_update({**of_answers, "old": str(log)}, "here")
    assert both.old == OldAnswers(train=log, test=log)
    assert parse_update(both.model_dump(mode="json"), "here") == both
    assert parse_update(with_overrides(of_answers, ["old.train=a.csv", "old.test=b"]), "here").old == OldAnswers(
        train=Path("a.csv"), test=Path("b")
    )
    assert parse_update({**LEAST, "old": str(tmp_path)}, "here").old == str(tmp_path)


def test_malformed_override() -> None:
    with pytest.raises(ConfigError, match="expected KEY=VALUE"):
        with_overrides(LEAST, ["epochs"])
