"""OpenAI's hosted evals: the output items of a run, as its API lists them: a page, a list, or one a line.

A metric is a grader, whose score is read, or `pass`, the verdict on all graders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from stillright.directions import is_lower_better
from stillright.importers.grades import Judged, graded, number
from stillright.importers.listings import read_listing
from stillright.importers.selection import Selection, choose, refuse_unknown
from stillright.messages import chat_text
from stillright.records import Header, PredictionSet

PASS = "pass"  # noqa: S105 - the metric that is the verdict on all graders


class Item(msgspec.Struct):
    """An output item; only the fields that are read."""

    id: int = msgspec.field(name="datasource_item_id")
    eval_id: str | None = None
    run_id: str | None = None
    datasource_item: dict[str, Any] = {}
    results: list[dict[str, Any]] = []
    sample: dict[str, Any] | None = None


def read(path: Path, selection: Selection) -> PredictionSet:
    """The output items of a run, judged by one metric.

    Raises DataError for anything else, and if `selection` asks for what is not there.
    """
    items = read_listing(path, Item, "data")
    models = {str(each.sample["model"]): None for each in items if each.sample and each.sample.get("model")}
    refuse_unknown(selection, {"task": (), "model": list(models), "filter": (), "prompt": (), "run": ()}, str(path))
    graders = [str(result.get("name")) for each in items for result in each.results]
    metric = choose("metric", [PASS, *graders], selection.metric, str(path), (PASS,))
    said = None if selection.lower_is_better and metric != PASS else False  # graders pass from a threshold upwards
    header = Header(
        name=next(iter(models), path.stem) if len(models) == 1 else path.stem,
        metric=metric,
        kind="discrete" if metric == PASS else None,
        lower_is_better=is_lower_better(metric, said, selection.lower_is_better, str(path)),
        settings={"generation": _generation(items)},
        source={"tool": "OpenAI evals", "model": ",".join(models) or None, "run": items[0].run_id if items else None},
    )
    judged = [_judged(each, metric, f"{path}: {each.id}: {metric}") for each in items]
    return graded(judged, header, selection, str(path))


def _generation(items: list[Item]) -> dict[str, Any] | None:
    sample = next((each.sample for each in items if each.sample), {})
    return {key: sample[key] for key in ("temperature", "top_p", "max_completion_tokens") if key in sample} or None


def _judged(item: Item, metric: str, place: str) -> Judged:
    sample = item.sample or {}
    answered = not (isinstance(sample.get("error"), dict) and sample["error"].get("code"))
    row = {
        "id": item.id,
        "prompt": chat_text(sample.get("input")),
        "output": chat_text(sample.get("output")) if answered else None,
    }
    return Judged(row, _value(item, metric, place) if answered else None, item.datasource_item)


def _value(item: Item, metric: str, place: str) -> float | None:
    """A grader's score, or whether all graders passed the item; None without a grader."""
    if metric != PASS:
        return number(next((each.get("score") for each in item.results if each.get("name") == metric), None), place)
    passed = [each.get("passed") for each in item.results]
    return float(all(passed)) if passed and all(isinstance(each, bool) for each in passed) else None
