"""OpenCompass: results/MODEL/DATASET.json with details, as `--dump-eval-details` writes them.

Details are a list with the values of all replicas of an example, or, of evaluators that give none, an object by number.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from stillright.importers.grades import Judged, graded, number, text
from stillright.importers.selection import Selection, choose, choose_metric, refuse_unknown
from stillright.jsonl import read_json
from stillright.messages import chat_text
from stillright.records import Header, PredictionSet

VERDICTS = ("correct", "is_correct", "cascade_correct")  # in the order in which OpenCompass looks for one
KIND = "type"  # among the numbers of the examples


class Results(msgspec.Struct):
    """A whole file; only what is read."""

    details: list[dict[str, Any]] | dict[str, Any]


class Example(NamedTuple):
    """One replica of an example."""

    id: str
    run: int
    values: dict[str, Any]


def read(path: Path, selection: Selection) -> PredictionSet:
    """The examples of one replica. Raises DataError for anything that OpenCompass has not written."""
    task = path.name.removesuffix(".json")
    model = path.parent.name if path.parent.parent.name == "results" else None
    names = {"task": [task], "model": [model] if model else [], "filter": (), "prompt": ()}
    refuse_unknown(selection, names, str(path))
    results: Results = read_json(path, Results)
    examples = list(_examples(results.details))
    chosen = choose("run", sorted({each.run for each in examples}), selection.run, str(path))
    examples = [each for each in examples if str(each.run) == chosen]
    found = (name for each in examples for name in VERDICTS if each.values.get(name) is not None)
    metric = choose_metric(found, selection, str(path), VERDICTS)
    source = {"tool": "OpenCompass", "model": model}
    header = Header(name=model or task, task=task, metric=metric, source=source)
    return graded([_judged(each, metric, path) for each in examples], header, selection, str(path))


def _examples(details: list[dict[str, Any]] | dict[str, Any]) -> Iterator[Example]:
    if isinstance(details, dict):
        examples = [(name, values) for name, values in details.items() if name != KIND and isinstance(values, dict)]
        yield from (Example(name, 1, values) for name, values in examples)
        return
    for place, values in enumerate(details):
        replicas = max((len(value) for value in values.values() if isinstance(value, list)), default=0)
        for run in range(replicas):
            of_run = {name: each[run] for name, each in values.items() if isinstance(each, list) and run < len(each)}
            yield Example(str(values.get("example_abbr", place)), run + 1, of_run)


def _judged(example: Example, metric: str | None, path: Path) -> Judged:
    values = example.values
    answer = values.get("answer", values.get("references"))
    row = {
        "id": example.id,
        "prediction": text(values.get("pred", values.get("predictions"))),
        "reference": [each for each in answer if isinstance(each, str)] if isinstance(answer, list) else text(answer),
        "prompt": chat_text(values.get("prompt")),
        "output": text(values.get("origin_prediction")),
    }
    value = None if metric is None else number(values.get(metric), f"{path}: {example.id}: {metric}")
    return Judged(row, value, {name: each for name, each in values.items() if isinstance(each, str | int | float)})
