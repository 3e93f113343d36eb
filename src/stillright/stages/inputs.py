"""What determines results, as far as several stages share it. Knows keys of the configuration; computes nothing."""

from __future__ import annotations

from typing import Any

from stillright import ranks
from stillright.config import TaskConfig, UpdateConfig
from stillright.digest import folder_digest
from stillright.models import ModelRef, Source, compute_dtype, longest_text

OF_PREDICTION = frozenset({"test", "test_limit", "filter", "stop", "max_new_tokens"})  # keys no training reads
UNLABELLED = "unlabelled"  # the key only alignment and its teachers read

Inputs = dict[str, Any]


def task_inputs(config: TaskConfig) -> Inputs:
    """What determines the task's rows: its keys, and the content of local files."""
    files = {"train": config.train, "test": config.test, "unlabelled": config.unlabelled}
    digests = {name: folder_digest(path) if path and path.exists() else None for name, path in files.items()}
    return {**config.model_dump(mode="json"), **digests}


def tested_inputs(config: UpdateConfig) -> Inputs:
    """What determines what is predicted, beside the model."""
    task = {key: value for key, value in task_inputs(config.task).items() if key != UNLABELLED}
    return {"task": task, "split_seed": config.split_seed, "dtype": _dtype(config)}


def training_inputs(config: UpdateConfig, *bases: Source) -> Inputs:
    """What determines a training beside models and seeds; bases: those whose length its texts are cut to."""
    return {
        **text_inputs(config, *bases),
        "training": config.training.model_dump(exclude={"max_length", "loss_on", "validation_fraction"}),
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


def bases_of(config: UpdateConfig) -> tuple[Source, Source]:
    """The old and the new one."""
    return ModelRef.parse(config.old).base, ModelRef.parse(config.new).base


def _dtype(config: UpdateConfig) -> str:
    return str(compute_dtype(config.dtype))
