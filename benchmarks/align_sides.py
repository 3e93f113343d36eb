"""The sides of align_speed.py: one trainer each, on the same texts, batches, rank, precision and order.

Each is a function of a Setting that returns a trainer, and the tokens/s of what ran before it, if anything did; that
runs in a process of its own, so that the memory of both can be told apart.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional
from trl import SFTConfig, SFTTrainer
from trl.experimental.gkd import GKDConfig, GKDTrainer
from trl.trainer.distillation_trainer import _chunked_divergence_loss
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from stillright.config import parse_update
from stillright.demo import demo_update
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.progress import Progress
from stillright.stages.data import Data
from stillright.training.align import AlignTrainer
from stillright.training.compat_config import CompatConfig
from stillright.training.lora import lora_config
from stillright.training.settings import Job, training_arguments
from stillright.training.teachers.cache_writing import CacheSpec, write_cache
from stillright.training.teachers.cached_teachers import CachedTeachers
from stillright.training.teachers.forms import Hidden
from stillright.training.teachers.live_teachers import LiveTeachers
from stillright.training.text import as_dataset

BATCH = 16
IGNORED = -100
TEMPERATURE = 2.0
UNPREPARED = {"skip_prepare_dataset": True}


class Setting:
    """The texts, models and trainer arguments that all sides share."""

    def __init__(self, args: argparse.Namespace, work: Path) -> None:
        config = parse_update(self._values(args, work), "benchmark")
        data = Data(config)
        self.args, self.work, self.progress, self.dtype = args, work, Progress(Console(quiet=True)), data.dtype
        self.old, self.new = (ModelRef.parse(str(base)) for base in (config.old, config.new))
        self.lora = config.lora
        self.vocabulary = data.shared_vocabulary
        self.texts = data.texts(self.new.base).train
        job = Job("benchmark", config.training, 0, self.dtype, work, work, self.progress)
        self.arguments = training_arguments(job, len(self.texts)) | {
            "eval_strategy": "no",
            "eval_on_start": False,
            "save_strategy": "no",
            "load_best_model_at_end": False,
        }

    @staticmethod
    def _values(args: argparse.Namespace, work: Path) -> dict[str, Any]:
        values = demo_update(work)
        new = str(args.model or values["new"])
        values |= {"new": new, "old": str(args.old or args.model or values["old"])}
        values["lora"] = {"r": args.rank, "alpha": 2 * args.rank}
        values["training"] |= {"batch_size": BATCH, "gradient_accumulation": 1}
        values["task"]["train_limit"] = args.steps * BATCH * 5 // 4  # a fifth is validation
        return values

    @property
    def tokens(self) -> int:
        """Of all texts, without padding."""
        return sum(len(text.ids) for text in self.texts)

    def base(self, ref: ModelRef) -> Any:
        """A teacher, frozen."""
        return load_model(ref, self.dtype).eval().requires_grad_(False)

    def student(self) -> Any:
        """The new base with a fresh LoRA adapter."""
        from peft import get_peft_model

        return get_peft_model(load_model(self.new, self.dtype), lora_config(self.lora, self.new))

    def common(self) -> dict[str, Any]:
        """Keyword arguments of every trainer."""
        return {"train_dataset": as_dataset(self.texts), "processing_class": load_tokenizer(self.new.base)}


Side = tuple[Any, float | None]


def sft(setting: Setting) -> Side:
    """Plain LoRA fine-tuning: TRL's SFTTrainer at its best settings."""
    return SFTTrainer(model=setting.student(), args=SFTConfig(**setting.arguments), **setting.common()), None


class Naive(SFTTrainer):
    """The masked distillation as the paper's formula reads: three live models and full logits."""

    teachers: tuple[Any, Any]

    def compute_loss(self, model: Any, inputs: dict[str, Any], *_: Any, **__: Any) -> Any:
        labels = inputs.pop("labels")[:, 1:]
        student = model(**inputs).logits[:, :-1].float()
        with torch.no_grad():
            old, new = (teacher(**inputs).logits[:, :-1].float() for teacher in self.teachers)
        wrong = (student.argmax(dim=-1) != labels)[..., None]
        teacher = functional.log_softmax(torch.where(wrong, old, new) / TEMPERATURE, dim=-1)
        kl = (teacher.exp() * (teacher - functional.log_softmax(student / TEMPERATURE, dim=-1))).sum(dim=-1)
        return kl[labels != IGNORED].mean()


class Chunked(Naive):
    """The same with TRL's chunked divergence instead of full logits; the mask takes a pass over them of its own."""

    def compute_loss(self, model: Any, inputs: dict[str, Any], *_: Any, **__: Any) -> Any:
        labels = inputs.pop("labels")[:, 1:]
        student = model.get_base_model().base_model(**inputs).last_hidden_state[:, :-1]
        head = model.get_output_embeddings().weight
        with torch.no_grad():
            parts = student.flatten(0, 1).to(head.dtype).split(256)
            wrong = torch.cat([(part @ head.T).argmax(dim=-1) for part in parts]).view_as(labels) != labels
        scored = labels != IGNORED
        loss: Tensor = student.new_zeros(())
        for teacher, rows in zip(self.teachers, (wrong, ~wrong), strict=True):
            with torch.no_grad():
                states = teacher.base_model(**inputs).last_hidden_state[:, :-1]
            weight = teacher.get_output_embeddings().weight
            loss = (
                loss
                + _chunked_divergence_loss(
                    student.to(head.dtype),
                    states,
                    head,
                    weight,
                    rows & scored,
                    0.0,
                    scored.sum(),
                    temperature=TEMPERATURE,
                )[0]
            )
        return loss


def _with_live_teachers(trainer: type[Naive], setting: Setting) -> Side:
    found = trainer(model=setting.student(), args=SFTConfig(**setting.arguments), **setting.common())
    found.teachers = (setting.base(setting.old), setting.base(setting.new))
    return found, None


def naive(setting: Setting) -> Side:
    """See Naive."""
    return _with_live_teachers(Naive, setting)


def chunked(setting: Setting) -> Side:
    """See Chunked."""
    return _with_live_teachers(Chunked, setting)


def gkd(setting: Setting) -> Side:
    """TRL's GKDTrainer on the texts as they are, forward divergence to one teacher, the old model."""
    common = setting.common()
    pad = common["processing_class"].pad_token_id
    multiple = setting.arguments["pad_to_multiple_of"]
    args = GKDConfig(**setting.arguments, lmbda=0.0, beta=0.0, temperature=TEMPERATURE)
    collator = DataCollatorForLanguageModeling(pad, pad_to_multiple_of=multiple)
    teacher = setting.base(setting.old)
    return GKDTrainer(setting.student(), teacher, args, collator, **common), None


def teach(args: argparse.Namespace, work: Path) -> None:
    """Runs both teachers of a Setting and leaves their tokens/s in caching.json."""
    setting, folders = Setting(args, work), (work / "old", work / "new")
    spec = CacheSpec(setting.texts, {}, Hidden(), setting.vocabulary)
    started = time.perf_counter()
    for ref, folder in zip((setting.old, setting.new), folders, strict=True):
        write_cache(setting.base(ref), spec, folder, setting.progress, folder.name)
    rate = 2 * setting.tokens / (time.perf_counter() - started)
    (work / "caching.json").write_text(json.dumps(rate), encoding="utf-8")


def cached(setting: Setting) -> Side:
    """Ours, on teachers that have run before."""
    process = multiprocessing.get_context("spawn").Process(target=teach, args=(setting.args, setting.work))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the teachers ended with exit code {process.exitcode}")
    rate = json.loads((setting.work / "caching.json").read_text(encoding="utf-8"))
    teachers = CachedTeachers.open(setting.work / "old", setting.work / "new")
    args = CompatConfig(**setting.arguments)
    return AlignTrainer(setting.student(), teachers, args, **setting.common()), rate


def live(setting: Setting) -> Side:
    """Ours, on teachers that stay in memory."""
    student = setting.student()
    teachers = LiveTeachers(setting.base(setting.old), student)
    return AlignTrainer(student, teachers, CompatConfig(**setting.arguments), **setting.common()), None


SIDES: dict[str, Callable[[Setting], Side]] = {side.__name__: side for side in (sft, naive, chunked, gkd, cached, live)}
