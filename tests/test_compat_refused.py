"""Data and tokenizers that CompatTrainer refuses, whichever way the teachers are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch

from stillright import CompatTrainer
from stillright.errors import DataError, ModelError
from stillright.models import Source, load_base
from test_compat_api import models, pairs
from test_compat_kept import make, refused

__all__ = ["make", "models"]  # fixtures

TEACHERS = pytest.mark.parametrize("teachers", ["hidden", "live"])


def of_ids(*ids: list[int], labels: list[list[int]] | None = None) -> datasets.Dataset:
    columns = {"input_ids": list(ids)} if labels is None else {"input_ids": list(ids), "labels": labels}
    return datasets.Dataset.from_dict(columns)


@TEACHERS
def test_data_without_rows(make: Callable[..., CompatTrainer], teachers: str) -> None:
    config, empty = {"teachers": teachers}, pairs().select([])
    refused(DataError, "train_dataset: has no rows", make, train_dataset=empty, config=config)
    refused(DataError, "eval_dataset: has no rows", make, eval_dataset={"a": pairs(), "b": empty}, config=config)


@TEACHERS
def test_data_in_which_nothing_is_scored(make: Callable[..., CompatTrainer], teachers: str) -> None:
    config, ignored = {"teachers": teachers}, of_ids([5, 6, 7], [8, 9], labels=[[-100] * 3, [-100] * 2])
    refused(DataError, "train_dataset: no token of its rows is scored", make, data=ignored, config=config)
    refused(DataError, "train_dataset: no token", make, train_dataset=of_ids([5], [6]), config=config)
    refused(DataError, "eval_dataset: no token", make, eval_dataset={"a": pairs(), "b": ignored}, config=config)


@pytest.fixture
def other(make_base: Callable[..., Path]) -> str:
    """A base whose tokenizer has two words the other way round."""
    base = make_base(seed=6)
    file = base / "tokenizer.json"
    kept = json.loads(file.read_text(encoding="utf-8"))
    words = kept["model"]["vocab"]
    words["W"], words["y"] = words["y"], words["W"]
    file.write_text(json.dumps(kept), encoding="utf-8")
    return str(base)


@pytest.fixture
def small(make_base: Callable[..., Path]) -> Any:
    """A base whose head knows fewer tokens than the tokenizer."""
    return load_base(Source(str(make_base(seed=5, vocabulary=100))), torch.float32)


def test_live_teachers_must_share_a_tokenizer(make: Callable[..., CompatTrainer], other: str, small: Any) -> None:
    refused(ModelError, "for the old model and", make, old_model=other, config={"teachers": "live"})
    refused(ModelError, "is beyond the 100", make, old_model=small, config={"teachers": "live"})
    unchanged = of_ids([5, 6, 7], [8, 9, 10])
    for old in (other, small):  # tokens that are in no row do not matter
        make(unchanged, old_model=old, config={"teachers": "live", "max_steps": 1}).train()


def test_of_a_stream_the_whole_vocabulary_is_compared(
    make: Callable[..., CompatTrainer], bases: tuple[Path, Path], other: str, small: Any
) -> None:
    stream, live = of_ids([5, 6, 7], [8, 9, 10]).to_iterable_dataset(), {"teachers": "live", "max_steps": 1}
    data = {"train_dataset": stream, "eval_dataset": None, "config": live}
    refused(ModelError, "for the old model and", make, old_model=other, **data)
    refused(ModelError, "is beyond the 100", make, old_model=small, **data)
    make(old_model=str(bases[0]), **data).train()
