"""Prompts without answers join alignment, where the mask looks at no answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from samples import colour_rows, write_rows
from stillright.config import parse_update
from stillright.data import Data
from stillright.errors import ConfigError, DataError
from stillright.models import load_tokenizer
from stillright.pipeline import run_update

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
    with pytest.raises(ConfigError, match="prompts without answers can teach by strategy.mask old_only, new_only, mix"):
        update(update_values, prompts, **strategy)


def test_a_column_that_lacks_is_named(update_values: dict[str, Any], tmp_path: Path) -> None:
    file = write_rows(tmp_path / "wrong.jsonl", [{"query": "What colour"}])
    with pytest.raises(DataError, match=r"wrong.jsonl: task colours uses the column 'question', but .* only: query"):
        Data(update(update_values, file))
