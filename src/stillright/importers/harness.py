"""lm-evaluation-harness: samples_TASK_DATE.jsonl as `--log_samples` writes it, with results_DATE.json beside it.

A file holds one task, all its metrics, and every document once for each filter. Releases before 0.4.3 wrote one JSON
list named MODEL_TASK.jsonl, which is read if that file itself is given.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stillright.errors import DataError
from stillright.importers.grades import graded, number
from stillright.importers.selection import Selection, choose, further, listed, refuse_unknown
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
Sample = dict[str, Any]


def read_harness(path: Path, selection: Selection) -> PredictionSet:
    """The samples of one task, metric and filter in a file, or in a folder as the harness fills it.

    Raises DataError for anything that the harness has not written, and if `selection` leaves several results or none.
    """
    file = _find(path, selection.task) if path.is_dir() else path
    task = _task_of(file, selection.task)
    results = _results(file)
    refuse_unknown(selection, {"model": _model_names(results, file), "prompt": (), "run": ()}, str(file))
    samples = list(_samples(file))
    filters = [str(sample.get("filter", "none")) for _, sample in samples]
    chosen = choose("filter", filters, selection.filter, str(file), ("strict-match",))
    samples = [each for each, name in zip(samples, filters, strict=True) if name == chosen]
    metric, delimiter = _metric(samples[0][1], selection.metric, results, task, file), _delimiter(results, task)
    extras = further((_doc(sample) for _, sample in samples), selection.columns, str(file))
    rows = [_row(sample, metric, delimiter) | extra for (_, sample), extra in zip(samples, extras, strict=False)]
    values = [number(sample.get(metric), f"{file}:{line}: {metric}") for line, sample in samples]
    kind, rows = graded(rows, values, metric)
    header = _header(results, file, samples[0][1])
    header = header.model_copy(update={"task": task, "metric": metric, "filter": chosen, "kind": kind})
    found = PredictionSet.from_rows(header, _without_wrong_derivations(rows), str(file))
    return replace(found, guessed=kind == "discrete")


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


def _samples(file: Path) -> Iterator[tuple[int, Sample]]:
    """Number of the line (or place in a list) and content of each sample."""
    is_list = first_bytes(file, 1) == b"["
    line = 0
    for line, sample in enumerate(read_json(file), start=1) if is_list else read_objects(file):
        if not isinstance(sample, dict) or "doc_id" not in sample:
            raise DataError(f"{file}:{line}: no doc_id; not a sample of lm-evaluation-harness")
        yield line, sample
    if not line:
        raise DataError(f"{file}: no samples; run lm-evaluation-harness again with --log_samples")


def _beside(file: Path) -> list[Path]:
    """The files of the same date that hold the results of the whole run."""
    match = SAMPLES.fullmatch(file.name)
    return sorted(file.parent.glob(f"*_{match['date']}.json")) if match else []


def _results(file: Path) -> Mapping[str, Any]:
    """What the harness wrote about the whole run, in a file of the same date; empty without one."""
    beside = _beside(file)
    results = read_json(beside[0]) if beside else {}
    if not isinstance(results, dict):
        raise DataError(f"{beside[0]}: not the results of lm-evaluation-harness, which are a JSON object")
    return results


def _of_task(results: Mapping[str, Any], key: str, task: str | None) -> Any:
    """An entry that the results have for each task; None without one."""
    entries = results.get(key)
    return entries.get(task) if isinstance(entries, dict) else None


def _delimiter(results: Mapping[str, Any], task: str | None) -> str:
    """What separates the prompt from a choice."""
    config = _of_task(results, "configs", task)
    return str(config.get("target_delimiter", " ")) if isinstance(config, dict) else " "


def _metric(sample: Sample, wanted: str | None, results: Mapping[str, Any], task: str | None, file: Path) -> str:
    """The metric to read. Raises DataError for one without a value per sample, or if lower is better."""
    named = sample.get("metrics")
    names = [str(name) for name in named] if isinstance(named, list) else [n for n in sample if n not in NOT_METRICS]
    single = [name for name in names if not isinstance(sample.get(name), list | dict)]
    if wanted in names and wanted not in single:
        raise DataError(f"{file}: {wanted} is computed over the whole test set; per sample there is {listed(single)}")
    metric = choose("metric", single, wanted, str(file), ("acc", "exact_match"))
    higher = _of_task(results, "higher_is_better", task)
    if isinstance(higher, dict) and higher.get(metric) is False:
        raise DataError(f"{file}: lower {metric} is better, but only metrics where higher is better can be compared")
    return metric


def _doc(sample: Sample) -> dict[str, Any]:
    doc = sample.get("doc")
    return doc if isinstance(doc, dict) else {}


def _row(sample: Sample, metric: str, delimiter: str) -> dict[str, Any]:
    """The columns of a sample, without the verdict."""
    requests = _requests(sample.get("arguments"))
    prompt = requests[0][0] if requests and requests[0] and isinstance(requests[0][0], str) else None
    row = {"id": sample["doc_id"], "prompt": prompt}
    pairs = [(request[0], request[1]) for request in requests if len(request) == 2]
    if len(pairs) > 1 and all(isinstance(text, str) for pair in pairs for text in pair):
        return row | _chosen(sample, pairs, metric, delimiter)
    row["reference"] = _targets(sample.get("target"))
    if pairs and isinstance(pairs[0][1], dict):
        row |= {"prediction": _first_text(sample.get("filtered_resps")), "output": _first_text(sample.get("resps"))}
    return row


def _requests(arguments: Any) -> list[list[Any]]:
    """The requests to the model: [prompt, choice] each, or [prompt, generation settings]."""
    several = list(arguments.values()) if isinstance(arguments, dict) else arguments
    if not isinstance(several, list):
        return []
    return [list(one.values()) if isinstance(one, dict) else one for one in several if isinstance(one, dict | list)]


def _chosen(sample: Sample, pairs: list[tuple[str, str]], metric: str, delimiter: str) -> dict[str, Any]:
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


def _without_wrong_derivations(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows; without the choices found here if the harness's verdict contradicts any of them."""
    agree = all(
        (row["prediction"] in row["reference"]) == row["correct"]
        for row in rows
        if row.get("choices") and row.get("prediction") and row.get("reference") and row.get("correct") is not None
    )
    if agree or not any(row.get("choices") for row in rows):
        return rows
    return [{**row, "prediction": None, "output": None} for row in rows]


def _header(results: Mapping[str, Any], file: Path, sample: Sample) -> Header:
    task = _task_of(file, None)
    requests = _requests(sample.get("arguments"))
    generation = requests[0][1] if requests and len(requests[0]) == 2 and isinstance(requests[0][1], dict) else None
    settings = {
        "task_version": _of_task(results, "versions", task),
        "num_fewshot": _of_task(results, "n-shot", task),
        "generation_kwargs": generation,
        "system_instruction": results.get("system_instruction"),
    }
    model = results.get("model_name")
    recorded = ("lm_eval_version", "transformers_version", "git_hash", "chat_template_sha")
    source = {"tool": "lm-evaluation-harness", "model": model, **{key: results.get(key) for key in recorded}}
    return Header(
        name=_model_name(model, file),
        settings={key: value for key, value in settings.items() if value is not None},
        source={key: value for key, value in source.items() if value is not None},
    )


def _model_names(results: Mapping[str, Any], file: Path) -> list[str]:
    """The names to choose the model by: in full, or as reports call it; none without results that have it."""
    model = results.get("model_name")
    return [model, _model_name(model, file)] if isinstance(model, str) else []


def _model_name(model: Any, file: Path) -> str:
    """The name of the model: a hub name as it is, the last part of a folder, or without results that of the file."""
    if not isinstance(model, str) or not model.strip("/"):
        return file.name.removesuffix(".gz").removesuffix(".jsonl")
    return model.rstrip("/").rsplit("/", 1)[-1] if model.count("/") != 1 or model[0] in "/." else model
