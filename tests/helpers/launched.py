"""What tests run by one process and by several of a launcher: trainers as a user's script has them, and FSDP."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback
from trl import SFTConfig

from caches import cached
from stillright import ranks
from stillright.config import LoraConfig
from stillright.forward import trees
from stillright.models import ModelRef, Source, load_base, load_tokenizer
from stillright.progress import Progress
from stillright.training.align import AlignTrainer
from stillright.training.choice.choice_batches import Reading, Samples
from stillright.training.choice.choice_trainer import ChoiceCollator, ChoiceTrainer
from stillright.training.choice.teacher_scores import choice_scores
from stillright.training.compat_config import CompatConfig
from stillright.training.forward_loss import ForwardLossTrainer
from stillright.training.lora import lora_config
from stillright.training.teachers.cached_teachers import CachedTeachers
from stillright.training.text import ChoiceText, Text, as_dataset
from stillright.training.token_trainer import AdapterTrainer

QUIET = Progress(Console(quiet=True))
BATCH_TOKENS = 40  # so that there is something to share
TEXTS = [Text([5 + (7 * i + j) % 300 for j in range(2 + (5 * i) % 13)]) for i in range(16)]  # of 2 to 14 tokens
HELD = TEXTS[:5]  # not a whole number of batches
CHOICES = [
    ChoiceText(ids, [[*ids[:1], 9 + i], ids[:2], [50, 51, 52]][: 2 + i % 2], [2, 2, 3][: 2 + i % 2], [i % 2])
    for i, ids in enumerate(text.ids for text in TEXTS)
]


class Batches(NamedTuple):
    """How a step of 8 texts is cut for one process."""

    size: int
    accumulation: int
    checkpointing: bool = False


class Found(NamedTuple):
    """What a training of two optimizer steps did."""

    gradients: list[dict[str, Tensor]]  # of each step
    evaluation: dict[str, float]  # before the first
    logged: list[dict[str, float]]


class _Watch(TrainerCallback):
    """What a logger would get, and gradients as the optimizer gets them."""

    def __init__(self) -> None:
        self.gradients: list[dict[str, Tensor]] = []
        self.logged: list[dict[str, float]] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        named = model.named_parameters()
        self.gradients.append({name: p.grad.clone() for name, p in named if p.grad is not None})

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self.logged.append(dict(logs))


def train(kind: str, base: Path, folder: Path, batches: Batches) -> Found:
    """Two steps of 8 texts each, by however many processes there are."""
    torch.manual_seed(ranks.rank())  # the adapter of the first process is everyone's
    trainer = TRAINERS[kind](base, folder, batches)
    watch = _Watch()
    trainer.add_callback(watch)
    evaluation = trainer.evaluate()
    watch.logged.clear()
    trainer.train()
    return Found(watch.gradients, evaluation, watch.logged)


def _settings(folder: Path, batches: Batches) -> dict[str, Any]:
    return {
        "output_dir": str(folder / "trainer"),
        "max_steps": 2,
        "optim": "sgd",
        "learning_rate": 10.0,
        "max_grad_norm": 0.0,
        "per_device_train_batch_size": batches.size,
        "per_device_eval_batch_size": 2,
        "gradient_accumulation_steps": batches.accumulation,
        "gradient_checkpointing": batches.checkpointing,
        "train_sampling_strategy": "sequential",
        "use_cpu": True,
        "bf16": False,
        "dataloader_pin_memory": False,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "max_length": None,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


def _model(base: Path) -> dict[str, Any]:
    source = Source(str(base))
    return {
        "model": load_base(source, torch.float32),
        "processing_class": load_tokenizer(source),
        "peft_config": lora_config(LoraConfig(r=4, alpha=8), ModelRef(source)),
    }


def _adapter(base: Path, folder: Path, batches: Batches) -> ForwardLossTrainer:
    data = {"train_dataset": as_dataset(TEXTS), "eval_dataset": as_dataset(HELD)}
    return AdapterTrainer(args=SFTConfig(**_settings(folder, batches)), **data, **_model(base))


def cache(base: Path, folder: Path) -> None:
    """The caches of two teachers, neither of which is the student."""
    model = load_base(Source(str(base)), torch.float32)
    for role in ("old", "new"):
        for weight in model.parameters():
            weight.data *= 0.9
        cached(model, TEXTS, folder / role)


def _compat(base: Path, folder: Path, batches: Batches) -> ForwardLossTrainer:
    cache(base, folder)
    return AlignTrainer(
        old_model=CachedTeachers.open(folder / "old", folder / "new"),
        args=CompatConfig(**_settings(folder, batches), mask="token_likelihood", ce_weight=0.3),
        train_dataset=as_dataset(TEXTS),
        eval_dataset=as_dataset(HELD),
        **_model(base),
    )


def _choice(base: Path, folder: Path, batches: Batches, apart: bool = False) -> ForwardLossTrainer:
    reading = Reading(0, apart)
    scores = choice_scores(load_base(Source(str(base)), torch.float32), CHOICES, reading, QUIET, "old")
    target = (30 * scores).log_softmax(-1)
    samples = Samples(CHOICES, target.argmax(dim=-1) == torch.tensor([text.gold for text in CHOICES]), reading)
    return ChoiceTrainer(
        2.0,
        0.3,
        args=SFTConfig(**_settings(folder, batches)),
        data_collator=ChoiceCollator(samples, target),
        train_dataset=as_dataset(CHOICES),
        eval_dataset=as_dataset(CHOICES[: len(HELD)]),
        **_model(base),
    )


TRAINERS: dict[str, Callable[[Path, Path, Batches], ForwardLossTrainer]] = {
    "adapter": _adapter,
    "compat": _compat,
    "choice": _choice,
    "choice_apart": functools.partial(_choice, apart=True),
}


def shard(base: Path, folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gradients of the compat loss with parameters sharded over two processes, and with a whole model.

    FSDP means gradients over processes, so each of them gets twice its part.
    """
    trainer = _compat(base, folder, Batches(8, 1))
    model, collate = trainer.model, trainer.data_collator
    rows = [trainer.train_dataset[i] for i in range(8)]
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1, generator=torch.Generator().manual_seed(1))
    model(**collate(rows), use_cache=False, computed=True).loss.backward()
    whole = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    mesh = init_device_mesh("cpu", (2,))
    for layer in model.get_base_model().model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    (2 * model(**collate(ranks.share(rows)), use_cache=False, computed=True).loss).backward()
    named = [(name, weight) for name, weight in model.named_parameters() if weight.grad is not None]
    assert all(isinstance(weight, DTensor) for weight in model.parameters())
    return {name: weight.grad.full_tensor() for name, weight in named}, whole


def main(base: Path, folder: Path) -> None:
    """Trains every kind, and keeps what was found."""
    vars(trees).update(BATCH_TOKENS=BATCH_TOKENS)
    gradients = shard(base, folder / "shard")
    if ranks.is_main():
        torch.save(gradients, folder / "sharded.pt")
    for kind in TRAINERS:
        found = train(kind, base, folder / kind, Batches(2, 2))
        if ranks.is_main():
            torch.save(found._asdict(), folder / f"{kind}.pt")
    ranks.leave()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
