"""What determines results, as far as several stages share it. Knows keys of the configuration; computes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stillright import ranks
from stillright.config import OldAnswers, TaskConfig, UpdateConfig
from stillright.digest import folder_digest
from stillright.models import ModelRef, Source, compute_dtype, longest_text
from stillright.training.choice.labels import SMOOTHING

OF_PREDICTION = frozenset({"test", "test_limit", "filter", "stop", "max_new_tokens"})  # keys no training reads
UNLABELLED = "unlabelled"  # the key only alignment and its teachers read

Inputs = dict[str, Any]


def task_inputs(config: TaskConfig) -> Inputs:
    """What determines the task's rows: its keys, and the content of local files."""
    files = {"train": config.train, "test": config.test, "unlabelled": config.unlabelled}
    digests = {name: _digest_of(path) for name, path in files.items()}
    return {**config.model_dump(mode="json"), **digests}


def tested_inputs(config: UpdateConfig) -> Inputs:
    """What determines what is predicted, beside the model."""
    task = {key: value for key, value in task_inputs(config.task).items() if key != UNLABELLED}
    return {"task": task, "split_seed": config.split_seed, "dtype": _dtype(config)}


def training_inputs(config: UpdateConfig, *bases: Source) -> Inputs:
    """What determines a training beside models and seeds; bases: those whose length its texts are cut to."""
    return {
        **text_inputs(config, *bases),
        "training": config.training.model_dump(exclude={"max_length", "loss_on", "validation_fraction", "report_to"}),
        "processes": ranks.world(),  # each has batch_size sequences of a step
    }


def text_inputs(config: UpdateConfig, *bases: Source) -> Inputs:
    """What determines training texts, their order and precision, beside the tokenizer; bases: as above."""
    task = {key: value for key, value in task_inputs(config.task).items() if key not in OF_PREDICTION | {UNLABELLED}}
    return {
        "task": task,
        "split_seed": config.split_seed,
        "longest_text": longest_text(bases, config.training.max_length),
        **config.training.model_dump(include={"loss_on", "validation_fraction"}),
        "dtype": _dtype(config),
    }


def aligned_inputs(config: UpdateConfig) -> Inputs:
    """What determines the texts of alignment and its teachers, which both bases read."""
    return {**text_inputs(config, *bases_of(config)), UNLABELLED: task_inputs(config.task)[UNLABELLED]}


def generation_inputs(config: TaskConfig) -> Inputs:
    """How answers are generated, and what of them is scored."""
    return config.model_dump(include={"filter", "stop", "max_new_tokens"})


def old_inputs(config: UpdateConfig) -> Inputs:
    """What alignment learns from the old model where it is gone: its logged answers. Nothing where it is there."""
    if isinstance(config.old, str):
        return {}
    return {"old_answers": _digest_of(config.old.train), "smoothing": SMOOTHING}


def tested_log_inputs(config: UpdateConfig) -> Inputs:
    """The logged answers of an old model that is gone, to the rows to predict."""
    assert isinstance(config.old, OldAnswers)
    return {"old_answers": _digest_of(config.old.test)}


def _digest_of(path: Path | None) -> str | None:
    """Of a file or folder, where there is one."""
    return folder_digest(path) if path and path.exists() else None


def bases_of(config: UpdateConfig) -> tuple[Source, ...]:
    """The old one, unless it is gone, and the new one."""
    models = [config.old, config.new] if isinstance(config.old, str) else [config.new]
    return tuple(ModelRef.parse(model).base for model in models)


def _dtype(config: UpdateConfig) -> str:
    return str(compute_dtype(config.dtype))
