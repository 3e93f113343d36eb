"""CompatTrainer as a script of one's own has it: data sets as TRL takes them, models in memory or by name."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor

from stillright import CompatConfig, CompatTrainer
from stillright.models import Source, load_base, load_tokenizer
from stillright.training.text import IGNORED

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


@pytest.fixture
def models(bases: tuple[Path, Path]) -> tuple[Any, Any]:
    """The old and the new task model."""
    return moved(bases[0], seed=3), moved(bases[1], seed=4)


def reference(student: Any, old: Any, new: Any, ids: list[int], scored: list[int], temperature: float) -> Tensor:
    """Sum of the divergences before the places `scored` of one text: old's where the student is wrong, else new's."""
    logits = [model(input_ids=torch.tensor([ids])).logits[0] for model in (student, old, new)]
    total = torch.zeros(())
    for place in scored:
        mine, of_old, of_new = (values[place - 1] for values in logits)
        p = ((of_old if mine.argmax() != ids[place] else of_new) / temperature).softmax(-1)
        total = total + (p * (p.log() - (mine / temperature).log_softmax(-1))).sum()
    return total


DATA: dict[str, tuple[Any, dict[str, Any]]] = {
    "messages": (messages, {}),
    "assistant": (messages, {"assistant_only_loss": True}),
    "completion": (pairs, {}),
    "prompt and completion": (pairs, {"completion_only_loss": False}),
    "text": (texts, {"max_length": 12}),
    "tokens": (tokens, {}),
    "packed": (messages, {"packing": True, "max_length": 128}),
    "packed assistant": (messages, {"packing": True, "max_length": 128, "assistant_only_loss": True}),
    "end to end": (pairs, {"padding_free": True, "max_length": None}),
    "wrapped": (texts, {"packing": True, "packing_strategy": "wrapped", "max_length": 24}),
}


def parts_of(row: dict[str, Any]) -> list[tuple[list[int], list[int]]]:
    """Of a prepared row its texts: ids, and places that are scored."""
    found, start = [], 0
    for size in row.get("seq_lengths") or [len(row["input_ids"])]:
        labels = row["labels"][start : start + size]
        found.append((row["input_ids"][start : start + size], [i for i in range(1, size) if labels[i] != IGNORED]))
        start += size
    return found


@pytest.mark.parametrize("teachers", ["hidden", "live"])
@pytest.mark.parametrize("kind", DATA)
def test_the_loss_is_that_of_every_text_alone(
    bases: tuple[Path, Path], models: tuple[Any, Any], tmp_path: Path, kind: str, teachers: str
) -> None:
    """Whatever the data set, and however rows are packed: worked out text by text with both models as they are."""
    make, more = DATA[kind]
    old, student = models
    new = copy.deepcopy(student)
    trainer = CompatTrainer(
        student,
        old,
        settings(tmp_path, teachers=teachers, **more),
        train_dataset=make(),
        eval_dataset=make(),
        processing_class=tokenizer(bases[1]),
    )
    for weight in student.parameters():
        if weight.requires_grad:
            weight.data += 0.05  # it has moved since
    rows = [part for row in trainer.eval_dataset for part in parts_of(row)]
    with torch.no_grad():
        sums = [reference(student.eval(), old.eval(), new.eval(), ids, scored, 2.0) for ids, scored in rows]
    scored = sum(len(places) for _, places in rows)
    assert scored > 0
    found = trainer.evaluate()
    assert found["eval_loss"] == pytest.approx(torch.stack(sums).sum().item() / scored, rel=1e-4)
    trainer.train()
    assert trainer.evaluate()["eval_loss"] != found["eval_loss"]
