"""OpenAI evals: the JSONL of events that `oaieval` writes.

The metric `accuracy` is the share of a sample's matches that are correct; any other is a value of its metrics.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from stillright.directions import is_lower_better
from stillright.importers.grades import Judged, graded, number
from stillright.importers.selection import Selection, choose_metric, refuse_unknown
from stillright.jsonl import read_lines
from stillright.messages import chat_text
from stillright.records import Header, PredictionSet

ACCURACY = "accuracy"


class Event(msgspec.Struct):
    """A line of a log; the first holds only a spec, the last only a report."""

    spec: dict[str, Any] | None = None
    sample_id: str | None = None
    type: str | None = None
    data: Any = None


def read(path: Path, selection: Selection) -> PredictionSet:
    """The samples of a log of events, judged by one metric.

    Raises DataError for anything that evals has not written, and if `selection` leaves several results or none.
    """
    events: list[Event] = [event for _, event in read_lines(path, Event)]
    spec = next((event.spec for event in events if event.spec is not None), {})
    models = spec.get("completion_fns")
    name = ",".join(map(str, models)) if isinstance(models, list) and models else None
    task = spec.get("eval_name")
    known = {
        "task": [str(task)] if task else [],
        "model": [name] if name else [],
        "filter": (),
        "prompt": (),
        "run": (),
    }
    refuse_unknown(selection, known, str(path))
    samples: dict[str, list[Event]] = {}
    for event in events:
        if event.sample_id is not None:
            samples.setdefault(event.sample_id, []).append(event)
    values = {sample: _values(of_sample) for sample, of_sample in samples.items()}
    metric = choose_metric((each for found in values.values() for each in found), selection, str(path), (ACCURACY,))
    header = Header(
        name=name or path.stem,
        task=str(task) if task else selection.task,
        metric=metric,
        lower_is_better=is_lower_better(metric, None, selection.lower_is_better, str(path)),
        settings={"split": spec.get("split")},
        source={"tool": "OpenAI evals", "model": name, "run": spec.get("run_id"), "created": spec.get("created_at")},
    )
    judged = [
        Judged(_row(sample, of_sample), number(values[sample].get(metric or ""), f"{path}: {sample}: {metric}"), {})
        for sample, of_sample in samples.items()
    ]
    return graded(judged, header, selection, str(path))


def _values(events: list[Event]) -> dict[str, Any]:
    """The values of a sample by metric."""
    matches = [data.get("correct") for data in _data(events, "match")]
    right = [each for each in matches if isinstance(each, bool)]
    found: dict[str, Any] = (
        {ACCURACY: sum(right) / len(right) if len(right) == len(matches) else None} if matches else {}
    )
    for data in _data(events, "metrics"):
        found |= {name: value for name, value in data.items() if isinstance(value, int | float)}
    return found


def _data(events: list[Event], kind: str) -> list[dict[str, Any]]:
    return [event.data for event in events if event.type == kind and isinstance(event.data, dict)]


def _row(sample: str, events: list[Event]) -> dict[str, Any]:
    """The columns of a sample, without the verdict."""
    asked = next(iter(_data(events, "sampling")), {})
    match = next(iter(_data(events, "match")), {})
    expected = match.get("expected")
    return {
        "id": sample,
        "prediction": _text(match.get("picked")),
        "reference": expected if isinstance(expected, str) else _texts(expected),
        "prompt": chat_text(asked.get("prompt")),
        "output": _text(asked.get("sampled")),
    }


def _texts(value: Any) -> list[str] | None:
    return [each for each in value if isinstance(each, str)] or None if isinstance(value, list) else None


def _text(value: Any) -> str | None:
    """A text, or the only one of a list."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else None
