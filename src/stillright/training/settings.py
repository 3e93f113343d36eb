"""How an adapter is trained, whatever it learns: the paper's procedure as SFTConfig, and the steps that it makes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import torch

from stillright import ranks
from stillright.config import TrainingConfig
from stillright.models import device
from stillright.progress import Progress

FEW = 20  # optimizer steps


class Job(NamedTuple):
    """How and where one adapter is trained, whatever it learns."""

    label: str  # in progress and messages
    training: TrainingConfig
    seed: int
    dtype: torch.dtype  # of weights and activations
    work: Path  # folder of checkpoints, from which an interrupted training goes on
    out: Path  # folder for the adapter
    progress: Progress
    run: Path = Path()  # folder of all that belongs together, a run or a study

    @property
    def run_name(self) -> str:
        """What loggers call it: the run and the stage."""
        return f"{self.run.name}: {self.label}" if self.run.name else self.label


def optimizer_steps(config: TrainingConfig, texts: int) -> int:
    """Steps of all epochs, the last of an epoch perhaps on fewer batches; every process has a batch of its own."""
    batches = math.ceil(texts / (config.batch_size * ranks.world()))
    return math.ceil(batches / config.gradient_accumulation) * config.epochs


def warmup_steps(config: TrainingConfig, texts: int) -> int:
    """The configured warm-up, at most a tenth of all steps."""
    return min(config.warmup_steps, optimizer_steps(config, texts) // 10)


def few_steps(config: TrainingConfig, texts: int) -> str | None:
    """What makes a training of fewer than FEW optimizer steps so short, and which settings give more."""
    steps, processes = optimizer_steps(config, texts), ranks.world()
    if steps >= FEW:
        return None
    shared = f" x {processes} processes" if processes > 1 else ""
    return (
        f"{texts:,} texts make {steps} optimizer steps in {config.epochs} epochs, which teach little: a step takes "
        f"batch_size {config.batch_size} x gradient_accumulation {config.gradient_accumulation}{shared} texts; "
        "lower these, or raise epochs"
    )


def training_arguments(job: Job, texts: int) -> dict[str, Any]:
    """Keyword arguments of SFTConfig, or a subclass of it, for so many training texts."""
    config = job.training
    on_cpu = device().type == "cpu"
    return {
        "output_dir": str(job.work.resolve()),  # the best checkpoint's path is kept, and compared with it
        "num_train_epochs": config.epochs,
        "learning_rate": config.learning_rate,
        "per_device_train_batch_size": config.batch_size,
        "per_device_eval_batch_size": config.batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation,
        "warmup_steps": warmup_steps(config, texts),
        "weight_decay": config.weight_decay,
        "seed": job.seed,
        "bf16": job.dtype == torch.bfloat16,
        "use_cpu": on_cpu,
        "dataloader_pin_memory": not on_cpu,
        "gradient_checkpointing": not on_cpu,  # on a CPU memory is cheap and time is not
        "train_sampling_strategy": "group_by_length",
        "eval_strategy": "epoch",
        "eval_on_start": True,
        "save_strategy": "epoch",
        "save_total_limit": 1,
        "load_best_model_at_end": True,
        "include_num_input_tokens_seen": "non_padding",
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "max_length": None,
        "pad_to_multiple_of": 8,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a loss that is no number ends the training
        "disable_tqdm": True,
        "report_to": list(config.report_to) or "none",
        "run_name": job.run_name,
    }
