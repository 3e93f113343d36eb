"""Langfuse: the items of an experiment as GET /api/public/experiment-items lists them: a page, a list, or one a line.

A metric is a score of an item, or of its trace, that is a number or true or false.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from stillright.directions import is_lower_better
from stillright.errors import DataError
from stillright.importers.grades import Judged, graded, number, text_or_json
from stillright.importers.listings import of_run, read_listing
from stillright.importers.selection import Selection, choose, choose_metric, refuse_unknown
from stillright.messages import chat_text
from stillright.records import Header, PredictionSet

NUMBERS = ("NUMERIC", "BOOLEAN")  # data types that can be a metric; the others are there to slice by


class Score(msgspec.Struct):
    """What a person, a judge or a program said of an item."""

    name: str
    value: Any = None
    kind: str | None = msgspec.field(default=None, name="dataType")


class Item(msgspec.Struct):
    """An item that was run; only the fields that are read."""

    id: str = msgspec.field(name="experimentItemId")
    experiment: str = msgspec.field(name="experimentName")
    started: str = msgspec.field(name="startTime")
    dataset: str | None = msgspec.field(default=None, name="experimentDatasetId")
    input: Any = None
    output: Any = None
    expected: Any = msgspec.field(default=None, name="expectedOutput")
    metadata: dict[str, Any] | None = msgspec.field(default=None, name="experimentItemMetadata")
    scores: list[Score] | None = None


def read(path: Path, selection: Selection) -> PredictionSet:
    """The items of one experiment (`model`) and run, judged by one score.

    Raises DataError for anything else, and if `selection` leaves several.
    """
    items = read_listing(path, Item, "data")
    refuse_unknown(selection, {"filter": (), "prompt": ()}, str(path))
    experiment = choose("model", (item.experiment for item in items), selection.model, str(path))
    items = sorted((item for item in items if item.experiment == experiment), key=lambda item: item.started)
    task = next((item.dataset for item in items if item.dataset), None)
    refuse_unknown(selection, {"task": [task] if task else []}, str(path))
    chosen = [item for _, item in of_run([(item.id, item) for item in items], selection, str(path))]
    scores = [score for item in chosen for score in item.scores or () if score.kind in NUMBERS]
    metric = choose_metric((score.name for score in scores), selection, str(path))
    is_verdict = all(score.kind == "BOOLEAN" for score in scores if score.name == metric)
    header = Header(
        name=experiment,
        task=task,
        metric=metric,
        kind="discrete" if is_verdict else None,
        lower_is_better=is_lower_better(metric, False if is_verdict else None, selection.lower_is_better, str(path)),
        source={"tool": "Langfuse"},
    )
    judged = [_judged(item, metric, f"{path}: {item.id}") for item in chosen]
    return graded(judged, header, selection, str(path))


def _judged(item: Item, metric: str | None, place: str) -> Judged:
    row = {
        "id": item.id,
        "reference": text_or_json(item.expected),
        "prompt": chat_text(item.input) or text_or_json(item.input),
        "output": text_or_json(item.output),
    }
    labels = {score.name: score.value for score in item.scores or () if score.kind not in NUMBERS}
    return Judged(row, _value(item, metric, place), labels | (item.metadata or {}))


def _value(item: Item, metric: str | None, place: str) -> float | None:
    """The item's score; None without one. Raises DataError where several disagree."""
    named = [score for score in item.scores or () if score.name == metric and score.kind in NUMBERS]
    values = [number(score.value, f"{place}: {metric}") for score in named]
    if len(set(values)) > 1:
        raise DataError(f"{place}: several scores {metric}: {', '.join(map(str, values))}; keep one for each item")
    return values[0] if values else None
