"""lm-evaluation-harness: samples_TASK_DATE.jsonl as `--log_samples` writes it, with results_DATE.json beside it.

A file holds one task, all its metrics, and every document once for each filter. Releases before 0.4.3 wrote one JSON
list named MODEL_TASK.jsonl, which is read if that file itself is given.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from stillright.errors import DataError
from stillright.importers.grades import Judged, graded, number
from stillright.importers.selection import Selection, choose, listed, refuse_unknown
from stillright.jsonl import first_bytes, read_json, read_objects
from stillright.records import Header, PredictionSet

SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d[.\d]*)\.jsonl(\.gz)?")
NOT_METRICS = {
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
    *("doc_hash", "prompt_hash", "target_hash"),
}
# How a metric ranks the choices: (log-likelihood, that without the prompt, text) -> value; the highest is chosen.
RANKS: dict[str, Callable[[float, float, str], float]] = {
    "acc": lambda given, alone, text: given,
    "acc_norm": lambda given, alone, text: given / max(len(text), 1),
    "acc_bytes": lambda given, alone, text: given / max(len(text.encode()), 1),
    "acc_mutual_info": lambda given, alone, text: given - alone,
}
RECORDED = ("lm_eval_version", "transformers_version", "git_hash", "chat_template_sha")
TARGET_CHARACTERS = 2**20
Sample = dict[str, Any]


def read_harness(path: Path, selection: Selection) -> PredictionSet:
    """The samples of one task, metric and filter in a file, or in a folder as the harness fills it.

    Raises DataError for anything that the harness has not written, and if `selection` leaves several results or none.
    """
    file = _find(path, selection.task) if path.is_dir() else path
    task = _task_of(file, selection.task)
    results: dict[str, Any] = next((read_json(beside, dict[str, Any]) for beside in _beside(file)), {})
    model = results.get("model_name")
    name = _model_name(model, file)
    models = [model, name] if isinstance(model, str) else []
    refuse_unknown(selection, {"model": models, "prompt": (), "run": ()}, str(file))
    samples = _samples(file)
    filters = [str(sample.get("filter", "none")) for _, sample in samples]
    chosen = choose("filter", filters, selection.filter, str(file), ("strict-match",))
    samples = [each for each, name in zip(samples, filters, strict=True) if name == chosen]
    of_task = {key: entries.get(task) for key, entries in results.items() if isinstance(entries, dict)}
    metric = _metric(samples[0][1], selection.metric, of_task.get("higher_is_better"), file)
    delimiter = _delimiter(of_task.get("configs"))
    judged = [_judged(sample, metric, delimiter, f"{file}:{line}") for line, sample in samples]
    settings = _settings(results, of_task, _requests(samples[0][1]))
    source = {"tool": "lm-evaluation-harness", "model": model, **{key: results.get(key) for key in RECORDED}}
    header = Header(name=name, task=task, metric=metric, filter=chosen, settings=settings, source=source)
    return _without_wrong_derivations(graded(judged, header, selection, str(file)))


def find_samples(folder: Path) -> list[Path]:
    """All files of samples in a folder and below it."""
    return sorted(path for path in folder.rglob("samples_*") if SAMPLES.fullmatch(path.name) and path.is_file())


def files_read(path: Path) -> list[Path]:
    """All files of samples in a folder, or this one, each with the results beside it; none is opened."""
    return [each for file in (find_samples(path) if path.is_dir() else [path]) for each in (file, *_beside(file))]


def _find(folder: Path, task: str | None) -> Path:
    found: dict[str, list[Path]] = {}
    for path in find_samples(folder):
        found.setdefault(_task_of(path, None) or "", []).append(path)
    runs = found[choose("task", found, task, str(folder))]
    if len(runs) > 1:
        names = listed([str(path.relative_to(folder)) for path in runs])
        raise DataError(f"{folder}: several runs of one task, name one of these files: {names}")
    return runs[0]


def _task_of(file: Path, wanted: str | None) -> str | None:
    match = SAMPLES.fullmatch(file.name)
    return choose("task", [match["task"]], wanted, str(file)) if match else wanted


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


def _beside(file: Path) -> list[Path]:
    """The files of the same date that hold the results of the whole run."""
    match = SAMPLES.fullmatch(file.name)
    return sorted(file.parent.glob(f"*_{match['date']}.json")) if match else []


def _model_name(model: Any, file: Path) -> str:
    """The name of the model: a hub name as it is, the last part of a folder, or without results that of the file."""
    if not isinstance(model, str) or not model.strip("/"):
        return file.name.removesuffix(".gz").removesuffix(".jsonl")
    return model.rstrip("/").rsplit("/", 1)[-1] if model.count("/") != 1 or model[0] in "/." else model


def _settings(results: dict[str, Any], of_task: dict[str, Any], requests: list[tuple[Any, Any]]) -> dict[str, Any]:
    return {
        "task_version": of_task.get("versions"),
        "num_fewshot": of_task.get("n-shot"),
        "generation_kwargs": _generation(requests),
        "system_instruction": results.get("system_instruction"),
    }


def _metric(sample: Sample, wanted: str | None, higher_is_better: Any, file: Path) -> str:
    """The metric to read. Raises DataError for one without a value per sample, or if lower is better."""
    named = sample.get("metrics")
    names = [str(name) for name in named] if isinstance(named, list) else [n for n in sample if n not in NOT_METRICS]
    single = [name for name in names if not isinstance(sample.get(name), list | dict)]
    if wanted in names and wanted not in single:
        raise DataError(f"{file}: {wanted} is computed over the whole test set; per sample there is {listed(single)}")
    metric = choose("metric", single, wanted, str(file), ("acc", "exact_match"))
    if isinstance(higher_is_better, dict) and higher_is_better.get(metric) is False:
        raise DataError(f"{file}: lower {metric} is better, but only metrics where higher is better can be compared")
    return metric


def _delimiter(config: Any) -> str:
    """What separates the prompt from a choice."""
    return str(config.get("target_delimiter", " ")) if isinstance(config, dict) else " "


def _judged(sample: Sample, metric: str, delimiter: str, place: str) -> Judged:
    doc = sample.get("doc")
    value = number(sample.get(metric), f"{place}: {metric}")
    return Judged(_row(sample, metric, delimiter), value, doc if isinstance(doc, dict) else {})


def _row(sample: Sample, metric: str, delimiter: str) -> dict[str, Any]:
    """The columns of a sample, without the verdict."""
    requests = _requests(sample)
    row = {"id": sample["doc_id"], "prompt": requests[0][0] if requests and isinstance(requests[0][0], str) else None}
    if len(requests) > 1 and all(isinstance(text, str) for request in requests for text in request):
        return row | _chosen(sample, requests, metric, delimiter)
    row["reference"] = _targets(sample.get("target"))
    if _generation(requests) is not None:
        row |= {"prediction": _first_text(sample.get("filtered_resps")), "output": _first_text(sample.get("resps"))}
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


def _chosen(sample: Sample, pairs: list[tuple[Any, Any]], metric: str, delimiter: str) -> dict[str, Any]:
    """The choice that the metric counts as the model's: number, text, and how many there were."""
    likelihoods = _likelihoods(sample.get("filtered_resps"))
    alone = [0.0] * len(pairs)
    half = len(pairs) // 2
    if pairs[0][0] and len(pairs) % 2 == 0 and not any(prompt for prompt, _ in pairs[half:]):  # acc_mutual_info
        pairs, alone, likelihoods = pairs[:half], likelihoods[half:], likelihoods[:half]
    texts = [text.removeprefix(delimiter) for _, text in pairs]
    if len(set(texts)) == 1:  # the choices are in the prompts
        texts = [prompt for prompt, _ in pairs]
    row = {"choices": len(texts), "reference": _target_numbers(sample.get("target"), texts)}
    if metric not in RANKS or not len(likelihoods) == len(texts) == len(alone):
        return row
    ranks = list(map(RANKS[metric], likelihoods, alone, texts))
    best = ranks.index(max(ranks))
    return row | {"prediction": str(best), "output": texts[best]}


def _likelihoods(responses: Any) -> list[float]:
    """The log-likelihoods of [["-1.5", "False"], ...]; empty if the log has anything else."""
    try:
        return [float(response[0]) for response in responses]
    except (TypeError, ValueError, LookupError):
        return []


def _target_numbers(target: Any, texts: list[str]) -> list[str] | None:
    """The numbers of the right choices, which the log gives as a number, in a list, or as the text of a choice."""
    targets = _targets(target) or []
    return [str(texts.index(each)) if not each.isdigit() and each in texts else each for each in targets] or None


def _targets(target: Any) -> list[str] | None:
    """The right answers; in a log, several are the text of a Python list."""
    if isinstance(target, str) and target[:1] == "[":
        try:
            target = ast.literal_eval(target)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return [str(target)]
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
    nothing = pl.lit(None, pl.String)
    return replace(found, table=found.table.with_columns(prediction=nothing, output=nothing))
