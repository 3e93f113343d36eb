"""What is kept of an answer beside what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from samples import colour_rows, generation, write_rows
from stillright.config.update import TaskConfig
from stillright.models import ModelRef, load_tokenizer
from stillright.prediction.predict import PredictJob, predict
from stillright.progress import Progress
from stillright.records import PredictionSet
from stillright.scoring.margins import margin
from stillright.tasks import load_task


def predicted(base: Path, task: dict[str, Any]) -> PredictionSet:
    job = PredictJob("new", torch.float32, 4, 64, Progress(Console(quiet=True)))
    return predict([ModelRef.parse(str(base))], load_task(TaskConfig.model_validate(task)), job)


@pytest.mark.parametrize(("metric", "length"), [("acc", lambda text: 1), ("acc_norm", len)])
def test_all_choices_as_they_are_ranked(
    make_base: Callable[..., Path], choice_task: dict[str, Any], metric: str, length: Callable[[str], int]
) -> None:
    found = predicted(make_base(seed=3), {**choice_task, "metric": metric})
    for row, document in zip(found.table.iter_rows(named=True), colour_rows(12, seed=1), strict=True):
        assert row["choice_texts"] == document["choices"]
        ranks = [value / length(text) for value, text in zip(row["loglikelihoods"], row["choice_texts"], strict=True)]
        assert row["prediction"] == str(ranks.index(max(ranks)))
        assert row["margin"] == pytest.approx(margin(ranks, [document["label"]]))


def test_the_tokens_of_what_was_generated(make_base: Callable[..., Path], choice_task: dict[str, Any]) -> None:
    base = make_base(seed=3)
    found = predicted(base, {**generation(choice_task, "exact_match"), "max_new_tokens": 5}).table
    tokenizer = load_tokenizer(ModelRef.parse(str(base)).base)
    stripped = [len(tokenizer(text)["input_ids"]) for text in found["output"]]
    more = [whole - shown for whole, shown in zip(found["output_tokens"], stripped, strict=True)]
    assert min(more) == 0
    assert max(more) <= 2  # white space around the answer
    assert min(found["output_tokens"]) > 1
    assert "choice_texts" not in found.columns


def test_short_columns_of_the_rows_are_there_to_slice_by(
    make_base: Callable[..., Path], choice_task: dict[str, Any]
) -> None:
    rows = [
        {
            **row,
            "area": "sky",
            "hard": i % 2 == 0,
            "level": i,
            "passage": "long " * (20 + i),
            "score": 0.5,
            "header": "x",
        }
        for i, row in enumerate(colour_rows(12, seed=1))
    ]
    write_rows(Path(choice_task["test"]), rows)
    found = predicted(make_base(seed=3), choice_task).table
    assert found.select("area", "hard", "level", "label").row(1) == ("sky", "false", "1", str(rows[1]["label"]))
    assert {"passage", "header"}.isdisjoint(found.columns)  # the longest passage has 155 characters
    assert found["score"].null_count() == 12
