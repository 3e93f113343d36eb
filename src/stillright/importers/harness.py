"""lm-evaluation-harness: samples_TASK_DATE.jsonl as `--log_samples` writes it, with results_DATE.json beside it.

A file holds one task, all its metrics, and every document once for each filter; before 0.4.3 as one JSON list. Which
files are read, also of groups of tasks, is in harness_files.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from stillright.directions import is_lower_better
from stillright.errors import DataError, spelled
from stillright.importers.answer_lists import as_written, quoted_texts
from stillright.importers.grades import Judged, graded, identified, number
from stillright.importers.harness_files import choose_files, results_of
from stillright.importers.selection import Selection, choose, choose_metric, listed, refuse_unknown
from stillright.jsonl import first_bytes, read_json, read_objects
from stillright.messages import chat_text
from stillright.records import OF_CHOICES, TASK, Header, PredictionSet
from stillright.scoring.margins import margin

NOT_METRICS = {
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
    *("doc_hash", "prompt_hash", "target_hash"),
}
NO_METRIC = "bypass"  # what --predict_only logs in place of one
# How a metric ranks the choices: (log-likelihood, that without the prompt, text) -> value; the highest is chosen.
RANKS: dict[str, Callable[[float, float, str], float]] = {
    "acc": lambda given, alone, text: given,
    "acc_norm": lambda given, alone, text: given / max(len(text), 1),
    "acc_bytes": lambda given, alone, text: given / max(len(text.encode()), 1),
    "acc_mutual_info": lambda given, alone, text: given - alone,
}
SHARES = (*RANKS, "exact_match")  # metrics that are 1 where a sample is all right
RECORDED = ("lm_eval_version", "transformers_version", "git_hash", "chat_template_sha")
TARGET_CHARACTERS = 2**20
Sample = dict[str, Any]


class Part(NamedTuple):
    """One task: what is known of it, and its samples."""

    header: Header
    samples: list[Judged]


def read(path: Path, selection: Selection) -> PredictionSet:
    """The samples of one task, metric and filter in a file, or in a folder as the harness fills it.

    Of a group or a pattern, the samples of all its tasks: ids are TASK/ID, and the column `task` names the task.
    Raises DataError for anything that the harness has not written, and if `selection` leaves several results or none.
    """
    chosen = choose_files(path, selection.task)
    parts = {task: _part(file, task, selection) for task, file in chosen.files.items()}
    if not chosen.is_group:
        (part,), (file,) = parts.values(), chosen.files.values()
        return _without_wrong_derivations(graded(part.samples, part.header, selection, str(file)))
    header = _header_of_group({str(task): part.header for task, part in parts.items()}, path, str(selection.task))
    samples = [sample for task, part in parts.items() for sample in _of_group(str(task), part, selection, str(path))]
    selection = replace(selection, columns=tuple(dict.fromkeys((*selection.columns, TASK))), rename={})
    return _without_wrong_derivations(graded(samples, header, selection, str(path)))


def _part(file: Path, task: str | None, selection: Selection) -> Part:
    results = results_of(file)
    model = results.get("model_name")
    name = _model_name(model, file)
    models = [model, name] if isinstance(model, str) else []
    refuse_unknown(selection, {"model": models, "prompt": (), "run": ()}, str(file))
    samples = _samples(file)
    filters = [str(sample.get("filter", "none")) for _, sample in samples]
    chosen = choose("filter", filters, selection.filter, str(file), ("strict-match",))
    samples = [each for each, name in zip(samples, filters, strict=True) if name == chosen]
    of_task = {key: entries.get(task) for key, entries in results.items() if isinstance(entries, dict)}
    metric = _metric(samples[0][1], selection, file)
    directions = of_task.get("higher_is_better")
    higher = directions.get(metric or "") if isinstance(directions, dict) else None
    header = Header(
        name=name,
        task=task,
        metric=metric,
        filter=chosen,
        lower_is_better=is_lower_better(
            metric, not higher if isinstance(higher, bool) else None, selection.lower_is_better, str(file)
        ),
        settings=_settings(results, of_task, _requests(samples[0][1])),
        source={"tool": "lm-evaluation-harness", "model": model, **{key: results.get(key) for key in RECORDED}},
    )
    delimiter = _delimiter(of_task.get("configs"))
    judged = (_judged(sample, metric, delimiter, f"{file}:{line}") for line, sample in samples)
    return Part(header, list(judged if selection.all_choices else map(_without_choices, judged)))


def _header_of_group(headers: dict[str, Header], path: Path, name: str) -> Header:
    """What is known of all tasks of a group. Raises DataError if they differ in what one comparison has once."""
    for kind in ("metric", "filter"):
        values = {getattr(header, kind): task for task, header in headers.items()}
        if len(values) > 1:
            named = listed([f"{task}: {value}" for value, task in values.items()])
            option = spelled(command=f"--{kind} NAME", python=f"{kind}=NAME")
            suite = spelled(command="--suite", python="compare_suite()")
            raise DataError(
                f"{path}: the tasks differ in {kind} ({named}); choose one that all have, with {option}, or "
                f"compare them one by one, with {suite}"
            )
    models = {header.source["model"] for header in headers.values()}
    if len(models) > 1:
        raise DataError(
            f"{path}: the tasks are of several models ({listed(list(map(str, models)))}); name one's folder"
        )
    first = next(iter(headers.values()))
    lower = {header.lower_is_better for header in headers.values()} - {None}
    if len(lower) > 1:
        raise DataError(
            f"{path}: of {first.metric} lower is better in some tasks, higher in others; compare them apart"
        )
    settings = {f"{key} of {task}": value for task, each in headers.items() for key, value in each.settings.items()}
    update = {"task": name, "lower_is_better": next(iter(lower), None), "settings": settings}
    return first.model_copy(update=update | ({} if models - {None} else {"name": path.name}))


def _of_group(task: str, part: Part, selection: Selection, place: str) -> Iterator[Judged]:
    """The samples of a task under ids that name it too."""
    for row, value, more in identified(part.samples, selection.rename.get("id"), place):
        known = {"id": f"{task}/{row['id']}", "asked": row.get("asked") and f"{task}/{row['asked']}"}
        yield Judged(row | known, value, {**more, TASK: task})


def _samples(file: Path) -> list[tuple[int, Sample]]:
    """Number of the line (or place in a list) and content of each sample."""
    is_list = first_bytes(file, 1) == b"["
    samples = list(enumerate(read_json(file, list[Sample]), start=1) if is_list else read_objects(file))
    for line, sample in samples:
        if "doc_id" not in sample:
            raise DataError(f"{file}:{line}: no doc_id; not a sample of lm-evaluation-harness")
        if len(str(sample.get("target"))) > TARGET_CHARACTERS:  # which is parsed as a list of Python
            raise DataError(f"{file}:{line}: a target of more than {TARGET_CHARACTERS:,} characters; shorten it")
    if not samples:
        raise DataError(f"{file}: no samples; run lm-evaluation-harness again with --log_samples")
    return samples


def _model_name(model: Any, file: Path) -> str:
    """The name of the model: a hub name as it is, the last part of a folder, or without results that of the file."""
    if not isinstance(model, str) or not model.strip("/"):
        return file.name.removesuffix(".gz").rsplit(".", 1)[0]
    return model.rstrip("/").rsplit("/", 1)[-1] if model.count("/") != 1 or model[0] in "/." else model


def _settings(results: dict[str, Any], of_task: dict[str, Any], requests: list[tuple[Any, Any]]) -> dict[str, Any]:
    return {
        "task_version": of_task.get("versions"),
        "num_fewshot": of_task.get("n-shot"),
        "generation_kwargs": _generation(requests),
        "system_instruction": results.get("system_instruction"),
    }


def _metric(sample: Sample, selection: Selection, file: Path) -> str | None:
    """The metric to read, None where outputs are scored anew and the log has none (as with --predict_only).

    Raises DataError for one without a value per sample.
    """
    wanted = selection.metric
    named = sample.get("metrics")
    names = [str(name) for name in named] if isinstance(named, list) else [n for n in sample if n not in NOT_METRICS]
    single = [name for name in names if not isinstance(sample.get(name), list | dict) and name != NO_METRIC]
    if wanted in names and wanted not in single:
        raise DataError(f"{file}: {wanted} is computed over the whole test set; per sample there is {listed(single)}")
    return choose_metric(single, selection, str(file), ("acc", "exact_match"))


def _delimiter(config: Any) -> str:
    """What separates the prompt from a choice."""
    return str(config.get("target_delimiter", " ")) if isinstance(config, dict) else " "


def _judged(sample: Sample, metric: str | None, delimiter: str, place: str) -> Judged:
    doc = sample.get("doc")
    value = None if metric is None else number(sample.get(metric), f"{place}: {metric}")
    if metric in SHARES and value is not None and not 0 <= value <= 1:
        raise DataError(f"{place}: {metric} is {value:g}, but a sample's is from 0 to 1; the log is damaged")
    return Judged(_row(sample, metric, delimiter), value, doc if isinstance(doc, dict) else {})


def _without_choices(sample: Judged) -> Judged:
    return sample._replace(row={name: value for name, value in sample.row.items() if name not in OF_CHOICES})


def _row(sample: Sample, metric: str | None, delimiter: str) -> dict[str, Any]:
    """The columns of a sample, without the verdict."""
    requests = _requests(sample)
    document = sample.get("doc_hash")
    row = {
        "id": sample["doc_id"],
        "prompt": chat_text(requests[0][0]) if requests else None,
        "asked": document if isinstance(document, str) else None,
    }
    if len(requests) > 1 and set(map(type, chain(*requests))) == {str}:
        return row | _chosen(sample, requests, metric, delimiter)
    if _generation(requests) is not None:
        row |= {"prediction": _first_text(sample.get("filtered_resps")), "output": _first_text(sample.get("resps"))}
    row["reference"] = _targets(sample.get("target"), (row.get("prediction"), row.get("output")))
    return row


def _requests(sample: Sample) -> list[tuple[Any, Any]]:
    """Each request to the model: its prompt, and a choice, or generation settings, or neither (None)."""
    requests = map(_entries, _entries(sample.get("arguments")))
    return [(request[0], request[1] if len(request) == 2 else None) for request in requests if request]


def _entries(value: Any) -> list[Any]:
    """The values of an object, in which the harness now writes what was a list."""
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _generation(requests: list[tuple[Any, Any]]) -> dict[str, Any] | None:
    """How the answer was generated; None if it was not."""
    settings = requests[0][1] if requests else None
    return settings if isinstance(settings, dict) else None


def _chosen(sample: Sample, pairs: list[tuple[Any, Any]], metric: str | None, delimiter: str) -> dict[str, Any]:
    """The choice that the metric counts as the model's: number, text, and how many there were."""
    likelihoods = _likelihoods(sample.get("filtered_resps"))
    alone = [0.0] * len(pairs)
    half = len(pairs) // 2
    if pairs[0][0] and len(pairs) % 2 == 0 and not any(prompt for prompt, _ in pairs[half:]):  # acc_mutual_info
        pairs, alone, likelihoods = pairs[:half], likelihoods[half:], likelihoods[:half]
    texts = [text.removeprefix(delimiter) for _, text in pairs]
    if len(set(texts)) == 1:  # the choices are in the prompts
        texts = [prompt for prompt, _ in pairs]
    reference = _target_numbers(sample.get("target"), texts)
    row: dict[str, Any] = {"choices": len(texts), "reference": reference}
    if metric not in RANKS or not len(likelihoods) == len(texts) == len(alone):
        return row
    ranks = list(map(RANKS[metric], likelihoods, alone, texts))
    best, right = ranks.index(max(ranks)), {int(each) for each in reference or () if each.isdecimal()}
    row |= {"prediction": str(best), "output": texts[best], "margin": margin(ranks, right)}
    return row | {
        "choice_texts": texts,
        "loglikelihoods": likelihoods if all(map(math.isfinite, likelihoods)) else None,
    }


def _likelihoods(responses: Any) -> list[float]:
    """The log-likelihoods of [["-1.5", "False"], ...]; empty if the log has anything else."""
    try:
        return [float(response[0]) for response in responses]
    except (TypeError, ValueError, LookupError):
        return []


def _target_numbers(target: Any, texts: list[str]) -> list[str] | None:
    """The numbers of the right choices, which the log gives as a number, in a list, or as the text of a choice."""
    if isinstance(target, str) and target[:1] == "[":
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            target = ast.literal_eval(target)
    targets = _texts(target) or []
    return [str(texts.index(each)) if not each.isdigit() and each in texts else each for each in targets] or None


def _targets(target: Any, answers: tuple[str | None, ...]) -> list[str] | None:
    """The right answers; in a log, several are the text of a list of quoted texts."""
    several = quoted_texts(target) if isinstance(target, str) else None
    return _texts(target) if several is None else as_written(several, target, answers)


def _texts(target: Any) -> list[str] | None:
    if isinstance(target, list | tuple):
        return [str(each) for each in target]
    return None if target is None else [str(target)]


def _first_text(responses: Any) -> str | None:
    """The first text in lists of lists."""
    while isinstance(responses, list) and responses:
        responses = responses[0]
    return responses if isinstance(responses, str) else None


def _without_wrong_derivations(found: PredictionSet) -> PredictionSet:
    """The set; without the choices found here if the harness's verdict contradicts any of them."""
    right = pl.col("prediction").is_in(pl.col("reference"))
    contradicted = found.table.filter(pl.col("choices").is_not_null(), right != pl.col("correct"))
    if contradicted.is_empty():
        return found
    nothing = {"prediction": pl.String, "output": pl.String, "margin": pl.Float64}
    table = found.table.drop(OF_CHOICES, strict=False)
    return replace(found, table=table.with_columns(pl.lit(None, t).alias(name) for name, t in nothing.items()))
