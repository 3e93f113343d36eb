"""Prompts without answers join alignment, where the mask looks at no answer."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from samples import colour_rows, write_rows
from stillright.config import parse_update
from stillright.errors import ConfigError, DataError
from stillright.models import load_tokenizer
from stillright.pipeline import run_update
from stillright.stages.data import Data
from stillright.training.choice.choice_batches import accepted, flips
from stillright.training.choice.choice_loss import choice_sums
from stillright.training.text import IGNORED, ChoiceText

QUIET = Console(quiet=True)


def update(values: dict[str, Any], file: Path, **strategy: Any) -> Any:
    task = {**values["task"], "unlabelled": str(file)}
    return parse_update({**values, "task": task, "strategy": {"mask": "old_only", **strategy}}, "test")


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """Seven questions, without choices and labels."""
    rows = [{"question": row["question"]} for row in colour_rows(7, seed=9)]
    return write_rows(tmp_path / "prompts.jsonl", rows)


def test_prompts_are_trained_on_and_never_validated(update_values: dict[str, Any], prompts: Path) -> None:
    data = Data(update(update_values, prompts))
    plain, aligned = data.texts(data.new.base), data.aligned_texts(data.new.base)
    assert aligned.train[: len(plain.train)] == plain.train
    assert aligned.validation == plain.validation
    further = aligned.train[len(plain.train) :]
    tokenizer = load_tokenizer(data.new.base)
    questions = [json.loads(line)["question"] + "?" for line in prompts.read_text().splitlines()]
    assert [tokenizer.decode(text.ids) for text in further] == questions
    assert all(text.first == 1 for text in further)  # every next token is scored


def test_other_prompts_align_anew_and_fit_nothing(update_values: dict[str, Any], prompts: Path) -> None:
    run_update(update(update_values, prompts), QUIET)
    out = Path(update_values["out"])
    marks = {path.stem: path.read_bytes() for path in (out / ".stillright").glob("*.json")}
    tokens = json.loads((out / "adapters/compat/training.json").read_text())["tokens"]
    fitted = json.loads((out / "adapters/new/training.json").read_text())["tokens"]
    data = Data(update(update_values, prompts))
    assert tokens - fitted == 2 * sum(len(text.ids) for text in data.aligned_texts(data.new.base).train[-7:])
    prompts.write_text("".join(prompts.read_text().splitlines(keepends=True)[:5]))
    run_update(update(update_values, prompts), QUIET)
    after = {path.stem: path.read_bytes() for path in (out / ".stillright").glob("*.json")}
    changed = {name for name in marks if marks[name] != after[name]}
    assert changed == {"teach-old", "teach-new", "align-compat", "predict-compat"}


@pytest.mark.parametrize("strategy", [{"mask": "student_wrong"}, {"mask": "choice"}, {"ce_weight": 0.1}])
def test_masks_that_need_answers_refuse(update_values: dict[str, Any], prompts: Path, strategy: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="rows without answers need strategy.mask old_only, new_only, mix"):
        update(update_values, prompts, **strategy)


@pytest.fixture
def unanswered(tmp_path: Path) -> Path:
    """Seven questions with choices, without labels."""
    rows = [{key: value for key, value in row.items() if key != "label"} for row in colour_rows(7, seed=9)]
    return write_rows(tmp_path / "unanswered.jsonl", rows)


def test_choices_without_answers_join_alignment(update_values: dict[str, Any], unanswered: Path) -> None:
    config = update(update_values, unanswered, mask="choice_mixture")
    data = Data(config)
    plain, aligned = data.choices(data.new.base), data.aligned_choices(data.new.base)
    assert aligned.validation == plain.validation
    further = aligned.train[len(plain.train) :]
    tokenizer = load_tokenizer(data.new.base)
    rows = [json.loads(line) for line in unanswered.read_text().splitlines()]
    assert [[tokenizer.decode(choice).strip() for choice in text.choices] for text in further] == [
        row["choices"] for row in rows
    ]
    assert {(text.gold, *text.accepted) for text in further} == {(IGNORED,)}
    run_update(config, QUIET)
    log = json.loads((Path(update_values["out"]) / "adapters/compat/training.json").read_text())
    read = sum(text.tokens(apart=False) for text in aligned.train)
    assert log["tokens"] == config.training.epochs * read


def test_what_is_not_answered_is_not_counted() -> None:
    """Three samples of two choices; of the last nothing is known, and it counts for the distillation alone."""
    scores = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    batch = {
        "accepted": accepted([ChoiceText([1], [[2], [3]], [1, 1], right) for right in ([0], [1], [])]),
        "old_right": torch.tensor([True, True, False]),
    }
    counted = {name: tuple(mean.sums().tolist()) for name, mean in flips(scores, batch).items()}
    assert counted == {"right": (1, 2), "lost": (1, 2)}
    target = torch.log_softmax(torch.zeros(3, 2), dim=-1)
    sums = choice_sums(scores, target, torch.tensor([0, 1, IGNORED]), temperature=1.0, ce_weight=0.0)
    by_hand = math.log(1 + math.exp(-1)) + math.log(1 + math.e)
    assert sums.cross_entropy.item() == pytest.approx(by_hand)
    assert sums.loss.item() == pytest.approx(3 * (by_hand / 2 - math.log(2)))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "a"}, r"row 1: its choices cannot be read \(KeyError: 'choices'\)"),
        ({"question": "a", "choices": ["red"]}, r"row 1: its choices are \['red'\]; each row needs two or more"),
        ({"question": "a", "choices": ["red", " "]}, r"row 1: its choices are \['red', ' '\].* none of them blank"),
    ],
)
def test_choices_that_lack_are_named(
    update_values: dict[str, Any], tmp_path: Path, row: dict[str, Any], said: str
) -> None:
    file = write_rows(tmp_path / "wrong.jsonl", [row])
    with pytest.raises(DataError, match=said):
        run_update(update(update_values, file, mask="choice_mixture"), QUIET)
    assert not (Path(update_values["out"]) / "adapters").exists()


def test_a_column_that_lacks_is_named(update_values: dict[str, Any], tmp_path: Path) -> None:
    file = write_rows(tmp_path / "wrong.jsonl", [{"query": "What colour"}])
    with pytest.raises(DataError, match=r"wrong.jsonl: task colours uses the column 'question', but .* only: query"):
        Data(update(update_values, file))
