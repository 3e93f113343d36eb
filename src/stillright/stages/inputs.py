"""What determines the result of each stage, for a fingerprint. Knows keys of the configuration; computes nothing.

Models are given as text: the digest of one that is there, or the fingerprint of the stage that will make it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from stillright import ranks
from stillright.config import TaskConfig, UpdateConfig
from stillright.digest import folder_digest
from stillright.models import compute_dtype

OF_PREDICTION = frozenset({"test", "test_limit", "filter", "stop", "max_new_tokens"})  # keys no training reads
SCORING = "log-likelihoods summed in float32"  # how answers are scored; other predictions are not compared with them
CACHE_FORMAT = 2  # of teachers' outputs; raise it when the same model and texts give other ones
OF_ALIGNMENT = frozenset({"unlabelled"})  # keys only alignment and its teachers read

Inputs = dict[str, Any]


def task_inputs(config: TaskConfig) -> Inputs:
    """What determines the task's rows: its keys, and the content of local files."""
    files = {"train": config.train, "test": config.test, "unlabelled": config.unlabelled}
    digests = {name: folder_digest(path) if path and path.exists() else None for name, path in files.items()}
    return {**config.model_dump(mode="json"), **digests}


def _trained_task(config: UpdateConfig) -> Inputs:
    return {key: value for key, value in task_inputs(config.task).items() if key not in OF_PREDICTION | OF_ALIGNMENT}


def _only_aligned(config: UpdateConfig) -> Inputs:
    return {key: value for key, value in task_inputs(config.task).items() if key in OF_ALIGNMENT}


def _training_inputs(config: UpdateConfig) -> Inputs:
    """What determines the result of any training, beside models and seeds."""
    return {
        "task": _trained_task(config),
        "training": config.training.model_dump(),
        "split_seed": config.split_seed,
        "dtype": str(compute_dtype(config.dtype)),
        "processes": ranks.world(),  # each has batch_size sequences of a step
    }


def text_inputs(config: UpdateConfig) -> Inputs:
    """What determines the training texts and their order, beside the tokenizer."""
    return {
        "task": _trained_task(config),
        "split_seed": config.split_seed,
        **config.training.model_dump(include={"max_length", "loss_on", "validation_fraction"}),
        **_only_aligned(config),
    }


def fit_inputs(config: UpdateConfig, model: str) -> Inputs:
    """Of a task adapter trained from `model` on."""
    return {
        **_training_inputs(config),
        "model": model,
        "lora": config.lora.model_dump(),
        "seed": config.fit_seed,
    }


def align_inputs(config: UpdateConfig, old: str, new: str) -> Inputs:
    """Of a compat adapter for two models with task adapters."""
    return {
        **_training_inputs(config),
        **_only_aligned(config),
        "old": old,
        "new": new,
        "strategy": config.strategy.model_dump(),
        "seed": config.align_seed,
        "teachers": None if config.strategy.is_choice else config.teachers.determining(),
    }


def teach_inputs(config: UpdateConfig, model: str, texts: str, form: Inputs, vocabulary: int | None) -> Inputs:
    """Of a teacher's outputs on the texts of an update, which are given as a fingerprint."""
    return cache_inputs(model, teacher_key(config, texts), form, vocabulary)


def teacher_key(config: UpdateConfig, texts: str) -> Inputs:
    """What determines what a teacher reads, given as a fingerprint, and in which precision."""
    return {"texts": texts, "dtype": str(compute_dtype(config.dtype))}


def cache_inputs(model: str, key: Mapping[str, Any], form: Inputs, vocabulary: int | None) -> Inputs:
    """Of a teacher's outputs; key: see `teacher_key`."""
    versions = {name: version(name) for name in ("torch", "transformers", "peft")}
    kept = {"form": form, "vocabulary": vocabulary, "cache_format": CACHE_FORMAT}
    return {"model": model, **key, **kept, "versions": versions}


def score_inputs(config: UpdateConfig, model: str, texts: str) -> Inputs:
    """Of a teacher's scores of the choices of an update, of whose texts a fingerprint is given."""
    return teach_inputs(config, model, texts, {"form": "choices", "scoring": SCORING}, vocabulary=None)


def predict_inputs(config: UpdateConfig, model: str) -> Inputs:
    """Of the answers to the test split."""
    return {
        "model": model,
        "task": {key: value for key, value in task_inputs(config.task).items() if key not in OF_ALIGNMENT},
        "split_seed": config.split_seed,
        "dtype": str(compute_dtype(config.dtype)),
        "scoring": SCORING,
        "batch_size": config.predict_batch_size,
        "max_length": config.training.max_length,
    }
