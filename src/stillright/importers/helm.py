"""HELM: the folder of a run, with per_instance_stats.json (values of all metrics) and scenario_state.json (texts).

The verdict is a metric's, never the `success` of a result: that says whether the request came through.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from stillright.directions import is_lower_better
from stillright.errors import DataError
from stillright.importers.grades import Judged, graded, number
from stillright.importers.selection import Selection, choose, choose_metric, refuse_unknown
from stillright.jsonl import read_json
from stillright.messages import chat_text
from stillright.records import Header, PredictionSet

STATS, STATE, SPEC = "per_instance_stats.json", "scenario_state.json", "run_spec.json"
CORRECT = "correct"  # the tag of a right answer
Key = tuple[str, int]  # an instance, and a trial with other examples in the prompt


class Stat(msgspec.Struct):
    """The values of a metric for an instance, usually one."""

    name: dict[str, Any]
    mean: Any = None  # there is none without a value


class Stats(msgspec.Struct):
    """Some metrics of an instance."""

    instance_id: str
    trial: int = msgspec.field(name="train_trial_index")
    stats: list[Stat]
    perturbation: dict[str, Any] | None = None


class Reference(msgspec.Struct):
    """An answer, right or wrong."""

    output: dict[str, Any] = {}
    tags: list[str] = []


class Instance(msgspec.Struct):
    """What is asked."""

    id: str
    input: dict[str, Any] = {}
    references: list[Reference] = []
    split: str | None = None
    sub_split: str | None = None
    perturbation: dict[str, Any] | None = None


class Request(msgspec.Struct):
    """A request to the model, and what came back."""

    instance: Instance
    trial: int = msgspec.field(name="train_trial_index")
    request: dict[str, Any]
    result: dict[str, Any] | None = None
    output_mapping: dict[str, str] | None = None


class State(msgspec.Struct):
    """All requests of a run."""

    adapter_spec: dict[str, Any]
    request_states: list[Request]


def read(path: Path, selection: Selection) -> PredictionSet:
    """The instances as they are, without perturbations, of one trial, judged by one metric.

    Raises DataError for anything that HELM has not written, and if `selection` leaves several results or none.
    """
    folder = path if path.is_dir() else path.parent
    requests, state = _requests(folder / STATE, selection.run)
    task = _task(folder)
    model = state.adapter_spec.get("model")
    known = {"task": [task], "model": [model] if isinstance(model, str) else [], "filter": (), "prompt": ()}
    refuse_unknown(selection, known, str(folder))
    values = _values(folder / STATS)
    metric = choose_metric((name for key in requests for name in values.get(key, ())), selection, str(folder))
    header = Header(
        name=str(model or folder.name),
        task=task,
        metric=metric,
        lower_is_better=is_lower_better(metric, None, selection.lower_is_better, str(folder)),
        settings=_settings(state.adapter_spec),
        source={"tool": "HELM", "model": model, "deployment": state.adapter_spec.get("model_deployment")},
    )
    judged = [_judged(each, values.get(key, {}).get(metric or ""), folder) for key, each in requests.items()]
    return graded(judged, header, selection, str(folder))


def _task(folder: Path) -> str:
    """The run's name without the model; of the folder where there is no run_spec.json."""
    spec = read_json(folder / SPEC, dict[str, Any]) if (folder / SPEC).is_file() else {}
    name, _, options = str(spec.get("name", folder.name)).partition(":")
    kept = [each for each in options.split(",") if each and not each.startswith(("model=", "model_deployment="))]
    return ":".join([name, ",".join(kept)]) if kept else name


def _settings(spec: dict[str, Any]) -> dict[str, Any]:
    generation = {key: spec.get(key) for key in ("temperature", "max_tokens", "num_outputs")}
    return {"method": spec.get("method"), "num_fewshot": spec.get("max_train_instances"), "generation": generation}


def _requests(file: Path, run: int | None) -> tuple[dict[Key, list[Request]], State]:
    """The requests of each instance in the wanted trial, numbered from 1."""
    if not file.is_file():
        raise DataError(f"{file}: no such file; it holds what was asked, so give the whole folder of a run of HELM")
    state: State = read_json(file, State)
    trials = sorted({each.trial for each in state.request_states})
    chosen = choose("run", [trial + 1 for trial in trials], run, str(file))
    requests: dict[Key, list[Request]] = {}
    for each in state.request_states:
        if each.instance.perturbation is None and str(each.trial + 1) == chosen:
            requests.setdefault((each.instance.id, each.trial), []).append(each)
    return requests, state


def _values(file: Path) -> dict[Key, dict[str, Any]]:
    """The value of each metric for each instance and trial."""
    values: dict[Key, dict[str, Any]] = {}
    for each in read_json(file, list[Stats]):
        if each.perturbation is not None:
            continue
        of_instance = values.setdefault((each.instance_id, each.trial), {})
        for stat in each.stats:
            name = str(stat.name.get("name"))
            if of_instance.setdefault(name, stat.mean) != stat.mean:
                raise DataError(f"{file}: {each.instance_id}: two values of {name}: {of_instance[name]}, {stat.mean}")
    return values


def _judged(requests: list[Request], value: Any, folder: Path) -> Judged:
    """An instance, which some adapters ask with one request for each of its answers."""
    first = requests[0]
    instance = first.instance
    right = [_text(each.output) for each in instance.references if CORRECT in each.tags]
    row = {
        "id": instance.id,
        "reference": right or None,
        "prompt": first.request.get("prompt") or chat_text(first.request.get("messages")),
        "asked": _text(instance.input),
        "choices": len(first.output_mapping) if first.output_mapping else None,
    }
    came = all(each.result is not None and each.result.get("success") is not False for each in requests)
    if len(requests) == 1 and came:
        row |= _answer(first)
    more = {"split": instance.split, "sub_split": instance.sub_split}
    return Judged(row, number(value, f"{folder}: {instance.id}") if came else None, more)


def _answer(request: Request) -> dict[str, Any]:
    completions = (request.result or {}).get("completions")
    text = _text(completions[0]) if isinstance(completions, list) and completions else None
    mapping = request.output_mapping or {}
    return {"output": text, "prediction": None if text is None else mapping.get(text.strip(), text.strip())}


def _text(value: Any) -> str | None:
    text = value.get("text") if isinstance(value, dict) else None
    return text if isinstance(text, str) else None
