"""Tiny bases and tasks, built here: no test needs a network, a cache or a file outside its temporary folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TQDM_DISABLE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the models are too small to share

import pytest
from hypothesis import HealthCheck, settings

from samples import COLOURS, THINGS, colour_rows, write_rows

# the same examples in every run, however long one takes
SLOW = [HealthCheck.too_slow]
settings.register_profile("steady", derandomize=True, deadline=None, database=None, suppress_health_check=SLOW)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level BPE with an end-of-text token."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    bpe = ByteLevelBPETokenizer()
    texts = [f"What colour is the {thing}? it is {colour} today" for thing in THINGS for colour in COLOURS]
    bpe.train_from_iterator(texts, vocab_size=320, special_tokens=["<end>"])
    folder = tmp_path_factory.mktemp("tokenizer")
    PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, eos_token="<end>", pad_token="<end>").save_pretrained(
        folder
    )
    return folder


@pytest.fixture(scope="session")
def make_base(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Callable[..., Path]:
    """Makes a random Llama of a given seed, width and vocabulary, with the tokenizer beside it."""

    def make(seed: int, hidden: int = 16, vocabulary: int = 320) -> Path:
        import torch
        from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

        torch.manual_seed(seed)
        folder = tmp_path_factory.mktemp(f"base-{seed}")
        config = LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            intermediate_size=2 * hidden,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=128,
            bos_token_id=0,
            eos_token_id=0,
            pad_token_id=0,
        )
        LlamaForCausalLM(config).save_pretrained(folder)
        AutoTokenizer.from_pretrained(tokenizer_folder).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def bases(make_base: Callable[..., Path]) -> tuple[Path, Path]:
    """An old base, and a wider new one."""
    return make_base(seed=1, hidden=16), make_base(seed=2, hidden=24)


@pytest.fixture
def choice_task(tmp_path: Path) -> dict[str, Any]:
    """A multiple-choice task on local files: 40 rows to train on, 12 to predict."""
    return {
        "name": "colours",
        "train": str(write_rows(tmp_path / "train.jsonl", colour_rows(40, seed=0))),
        "test": str(write_rows(tmp_path / "test.jsonl", colour_rows(12, seed=1))),
        "prompt": "{{question}}?",
        "choices": "choices",
        "answer": "label",
    }


@pytest.fixture
def update_values(bases: tuple[Path, Path], choice_task: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """A whole update that takes seconds."""
    return {
        "old": str(bases[0]),
        "new": str(bases[1]),
        "task": choice_task,
        "lora": {"r": 4, "alpha": 8},
        "training": {"epochs": 2, "learning_rate": 0.01, "batch_size": 8, "gradient_accumulation": 2, "max_length": 64},
        "strategy": {"mask": "student_wrong"},
        "controls": [],
        "dtype": "float32",
        "out": str(tmp_path / "run"),
    }
