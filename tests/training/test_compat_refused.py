"""What CompatTrainer refuses: settings, models, data, and tokenizers, whichever way the teachers are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from peft import LoraConfig, PeftModel
from trl import SFTConfig

from compat_case import LORA, pairs, settings
from stillright import CompatTrainer
from stillright.errors import ConfigError, DataError, ModelError
from stillright.models import Source, load_base

TEACHERS = pytest.mark.parametrize("teachers", ["hidden", "live"])


def refused(error: type[Exception], words: str, make: Callable[..., Any], **arguments: Any) -> None:
    with pytest.raises(error, match=re.escape(words)):
        make(**arguments)


def test_settings_that_cannot_be_are_refused(tmp_path: Path, make: Callable[..., CompatTrainer]) -> None:
    for mask in ("choice", "auto", "transfer", "old_answers"):
        words = f"mask {mask} needs the task, which only `stillright run` and `stillright align` know; this"
        refused(ConfigError, words, settings, folder=tmp_path, mask=mask)
    for more, words in (
        ({"mask": "student_right"}, "did you mean 'student_wrong'?"),
        ({"temperature": 0.0}, "CompatConfig: temperature: should be greater than 0"),
        ({"ce_weight": 1.5}, "CompatConfig: ce_weight: should be less than or equal to 1"),
        ({"teachers": "logits"}, "CompatConfig.teachers: form: should be 'hidden', 'sampled' or 'live'"),
        ({"teachers": "sampled", "entries": 0}, "CompatConfig.teachers: entries: should be greater than 0"),
        ({"teachers": "sampled", "mask": "mixture"}, "mixture needs whole distributions"),
        ({"loss_type": "dft"}, "loss_type and label_smoothing_factor"),
    ):
        refused(ConfigError, words, settings, folder=tmp_path, **more)
    refused(ConfigError, "compute_metrics: the loss is fixed", make, compute_metrics=lambda _: {})
    with pytest.raises(ConfigError, match="args: SFTConfig has no settings of the distillation"):
        CompatTrainer("a", "b", SFTConfig(output_dir=str(tmp_path), bf16=False))


def test_models_that_cannot_be_are_refused(
    bases: tuple[Path, Path],
    models: tuple[Any, Any],
    make: Callable[..., CompatTrainer],
    tmp_path: Path,
) -> None:
    models[1].save_pretrained(tmp_path / "new")
    frozen = PeftModel.from_pretrained(load_base(Source(str(bases[1])), torch.float32), tmp_path / "new")
    base = load_base(Source(str(bases[1])), torch.float32)
    refused(ModelError, "its adapter is frozen", make, model=frozen)
    refused(ModelError, "has no adapter to train", make, model=str(bases[1]))
    refused(ModelError, "old_model: shares weights with model", make, model=base, old_model=base, peft_config=LORA)
    headed = LoraConfig(r=4, target_modules="all-linear", modules_to_save=["lm_head"], task_type="CAUSAL_LM")
    refused(ModelError, "its LM head is trained", make, model=str(bases[1]), peft_config=headed)


def test_a_base_by_name_is_loaded_from_safetensors_only(
    make: Callable[..., CompatTrainer], make_base: Callable[..., Path]
) -> None:
    base, lora = make_base(seed=7), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    torch.save(load_base(Source(str(base)), torch.float32).state_dict(), base / "pytorch_model.bin")
    (base / "model.safetensors").unlink()
    refused(OSError, "no file named model.safetensors", make, model=str(base), peft_config=lora)
    make(model=str(base), peft_config=lora, config={"model_init_kwargs": {"use_safetensors": False}})


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


@TEACHERS
def test_models_that_read_other_tokens(
    make: Callable[..., CompatTrainer], other: str, small: Any, teachers: str
) -> None:
    config = {"teachers": teachers, "max_steps": 1}
    refused(ModelError, "for the old model and", make, old_model=other, config=config)
    refused(ModelError, "is beyond the 100 that both models know", make, old_model=small, config=config)
    for old in (other, small):  # tokens that are in no row do not matter
        make(of_ids([5, 6, 7], [8, 9, 10]), old_model=old, config=config).train()


def test_of_a_stream_the_whole_vocabulary_is_compared(
    make: Callable[..., CompatTrainer], bases: tuple[Path, Path], other: str, small: Any
) -> None:
    stream, live = of_ids([5, 6, 7], [8, 9, 10]).to_iterable_dataset(), {"teachers": "live", "max_steps": 1}
    data = {"train_dataset": stream, "eval_dataset": None, "config": live}
    refused(ModelError, "for the old model and", make, old_model=other, **data)
    refused(ModelError, "is beyond the 100", make, old_model=small, **data)
    make(old_model=str(bases[0]), **data).train()
