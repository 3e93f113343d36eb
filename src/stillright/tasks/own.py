"""A user's own JSONL files, and harness configurations that read them. Knows files and templates, but no models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import jinja2
from jinja2 import meta
from lm_eval.utils import apply_template

from stillright.config import TaskConfig
from stillright.config.update import OWN_CHOICE_METRICS
from stillright.errors import DataError, TaskError
from stillright.jsonl import read_objects
from stillright.scoring.exact import exact_match
from stillright.scoring.rouge import rouge1
from stillright.scoring.words import words

Config = dict[str, Any]


def read_rows(path: Path) -> datasets.Dataset:
    """The rows of a JSONL file, in memory; nothing is cached on disk.

    Raises DataError where the file is missing, empty, malformed or of mixed types.
    """
    rows = [value for _, value in read_objects(path)]
    if not rows:
        raise DataError(f"{path}: no rows in this file; write one JSON object per line")
    try:
        return datasets.Dataset.from_list(rows)
    except (ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path}: a column holds values of different types ({reason}); each column must have one type"
        ) from None


def local_data(config: TaskConfig) -> Config:
    """The keys that make a harness task read `config`'s files instead of its own data set."""
    files = {"train": config.train, "test": config.test}
    rows = {split: read_rows(path) for split, path in files.items() if path is not None}
    return {
        **dict.fromkeys(("dataset_path", "dataset_name", "dataset_kwargs", "validation_split", "fewshot_split")),
        "custom_dataset": lambda **_: rows,
        "training_split": "train",
        "test_split": "test",
    }


def _metric(name: str) -> Config:
    return {"metric": name, "aggregation": "mean", "higher_is_better": True}


def _choice_keys(config: TaskConfig) -> Config:
    def rendered(document: dict[str, Any]) -> list[str]:
        return [apply_template(template, document) for template in config.choices or ()]

    return {
        "output_type": "multiple_choice",
        "doc_to_choice": rendered if isinstance(config.choices, list) else config.choices,  # it renders one template
        "metric_list": [_metric(name) for name in OWN_CHOICE_METRICS],
    }


def scored_by(name: str, column: str) -> Callable[[dict[str, Any], list[str]], dict[str, float]]:
    """A harness `process_results`: rouge1 or exact_match of a generated text, by the best answer in `column`."""
    score = rouge1 if name == "rouge1" else exact_match

    def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
        answers = doc[column] if isinstance(doc[column], list) else [doc[column]]
        return {name: max(score(results[0], str(each)) for each in answers)}

    return process_results


def _generation_keys(config: TaskConfig) -> Config:
    name = config.metric or "exact_match"
    return {
        "output_type": "generate_until",
        "generation_kwargs": {"until": list(config.stop), "max_gen_toks": config.max_new_tokens, "do_sample": False},
        "process_results": scored_by(name, str(config.answer)),
        "metric_list": [_metric(name)],
    }


def own_task(config: TaskConfig) -> Config:
    """The harness configuration of a task defined in update.yaml."""
    data = local_data(config)
    _refuse_unknown_columns(config, data["custom_dataset"]())
    return {
        "task": config.name,
        **data,
        "doc_to_text": config.prompt,
        "doc_to_target": config.answer,
        "target_delimiter": config.delimiter,
        "num_fewshot": 0,
        **(_choice_keys(config) if config.choices is not None else _generation_keys(config)),
    }


def _refuse_unknown_columns(config: TaskConfig, rows: dict[str, datasets.Dataset]) -> None:
    """The harness renders a missing column as nothing and a missing value as "None"; here both are errors."""
    assert config.prompt is not None
    templates = config.choices if isinstance(config.choices, list) else []
    used = {config.answer}.union(*(_columns(config.name, text) for text in (config.prompt, *templates)))
    if isinstance(config.choices, str):
        used |= _columns(config.name, config.choices) or {config.choices}
    for split, path in (("train", config.train), ("test", config.test)):
        _refuse_missing(config.name, used, rows[split], path)
    if config.metric == "rouge1":
        _refuse_wordless(config, rows["test"])


def _refuse_wordless(config: TaskConfig, rows: datasets.Dataset) -> None:
    """Raises DataError for a test row whose answers have no word: ROUGE would give every output 0."""
    for row, value in enumerate(rows[str(config.answer)], start=1):
        if not any(words(str(each)) for each in (value if isinstance(value, list) else [value])):
            raise DataError(
                f"{config.test}: row {row}: task {config.name}: the answer {value!r:.40} has no word that rouge1 could "
                "count; leave the row out, or take the metric exact_match"
            )


def refuse_unknown_prompts(config: TaskConfig, rows: datasets.Dataset) -> None:
    """The same for rows of which only the prompt is used."""
    if config.prompt is not None:
        _refuse_missing(config.name, _columns(config.name, config.prompt), rows, config.unlabelled)


def _refuse_missing(task: str, used: set[Any], rows: datasets.Dataset, path: Path | None) -> None:
    missing = sorted(str(column) for column in used - set(rows.column_names))
    if missing:
        known = ", ".join(rows.column_names)
        raise DataError(f"{path}: task {task} uses the column {missing[0]!r}, but the file has only: {known}")
    for column in sorted(map(str, used)):
        lacking = next((i for i, value in enumerate(rows[column], start=1) if _is_none(value)), None)
        if lacking is not None:
            raise DataError(
                f"{path}: row {lacking}: task {task} uses the column {column!r}, which is empty there; fill it in, or "
                "leave the row out"
            )


def _is_none(value: Any) -> bool:
    """Whether it is missing, or a list that is empty or has a missing value."""
    return value is None or (isinstance(value, list) and (not value or None in value))


def _columns(task: str, template: str) -> set[str]:
    """The columns a Jinja template reads."""
    try:
        parsed = jinja2.Environment(autoescape=False).parse(template)  # noqa: S701 - a prompt is no HTML, nor rendered
        return set(meta.find_undeclared_variables(parsed))
    except jinja2.TemplateSyntaxError as error:
        raise TaskError(f"task {task}: the template {template!r} is not valid Jinja: {error.message}") from None
