"""Data sets, models and settings of a CompatTrainer small enough for a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import torch
from peft import LoraConfig, get_peft_model

from stillright import CompatConfig
from stillright.models import Source, load_base, load_tokenizer

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' }}{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] }}<end>{% endgeneration %}{% else %}{{ message['content'] }}{% endif %}"
    "{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


PAIRS = [
    ("What colour is the sky?", "it is blue today"),
    ("And the grass?", "green"),
    ("The sun?", "it is yellow, it is yellow today"),
    ("The rose?", "red"),
    ("What colour is the sea, and what colour is the sand?", "it is blue"),
    ("Snow?", "white, as it is today"),
]


def messages(pairs: list[tuple[str, str]] = PAIRS) -> datasets.Dataset:
    turns = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in pairs]
    twice = [turn + turns[(i + 1) % len(turns)] for i, turn in enumerate(turns)]  # two answers each
    return datasets.Dataset.from_dict({"messages": twice})


def pairs() -> datasets.Dataset:
    questions, answers = zip(*PAIRS, strict=True)
    return datasets.Dataset.from_dict({"prompt": list(questions), "completion": [f" {answer}" for answer in answers]})


def texts() -> datasets.Dataset:
    return datasets.Dataset.from_dict({"text": [f"{question} {answer}" for question, answer in PAIRS]})


def tokens() -> datasets.Dataset:
    return datasets.Dataset.from_dict({"input_ids": [[5, 6, 7, 8], [9, 10, 11], list(range(20, 40))]})


def tokenizer(base: Path) -> Any:
    found = load_tokenizer(Source(str(base)))
    found.chat_template = TEMPLATE
    return found


def moved(base: Path, seed: int) -> Any:
    """`base` with an adapter that is not zero, as a task adapter is not."""
    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(load_base(Source(str(base)), torch.float32), config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    return model


def settings(folder: Path, **more: Any) -> CompatConfig:
    return CompatConfig(
        **{
            "output_dir": str(folder / "out"),
            "num_train_epochs": 2,
            "learning_rate": 0.01,
            "per_device_train_batch_size": 2,
            "per_device_eval_batch_size": 4,
            "bf16": False,
            "use_cpu": True,
            "dataloader_pin_memory": False,
            "report_to": "none",
            "disable_tqdm": True,
            "logging_steps": 1,
            "save_strategy": "no",
            **more,
        }
    )


LORA = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
