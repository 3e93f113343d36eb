"""LightEval: details_TASK_DATE.parquet, one row a sample with its document, the model's response and all metrics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl

from stillright import bounds
from stillright.directions import is_lower_better
from stillright.errors import DataError
from stillright.importers import parquet
from stillright.importers.grades import Judged, graded, number
from stillright.importers.selection import Selection, choose_metric, refuse_unknown
from stillright.messages import chat_text
from stillright.records import Header, PredictionSet

NAME = re.compile(r"details_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d[.\d]*)\.parquet")
READ = {
    "doc": ("id", "query", "choices", "gold_index", "specific"),
    "model_response": ("input", "text", "text_post_processed"),
}
Row = dict[str, Any]


def read(path: Path, selection: Selection) -> PredictionSet:
    """The samples of a task, judged by one metric. Raises DataError if `selection` leaves several results or none."""
    named = NAME.fullmatch(path.name)
    model = _model(path)
    tasks = {"task": [named["task"]] if named else [], "model": [model] if model else []}
    refuse_unknown(selection, {**tasks, "filter": (), "prompt": (), "run": ()}, str(path))
    rows = _rows(path)
    known = [(name, value) for row in rows for name, value in (row["metric"] or {}).items() if value is not None]
    single = [name for name, value in known if not isinstance(value, list | dict)]
    metric = choose_metric(single, selection, str(path))
    header = Header(
        name=model or path.stem,
        task=named["task"] if named else selection.task,
        metric=metric,
        lower_is_better=is_lower_better(metric, None, selection.lower_is_better, str(path)),
        source={"tool": "LightEval", "model": model},
    )
    return graded([_judged(row, metric, path) for row in rows], header, selection, str(path))


def _model(path: Path) -> str | None:
    """The model in the names of the folders, details/MODEL/DATE; a model on the hub is two of them."""
    above = path.parent.parts
    if "details" not in above:
        return None
    return "/".join(above[len(above) - above[::-1].index("details") : -1]) or None


def _rows(path: Path) -> list[Row]:
    """What is read of each row. Raises DataError for a file that is damaged, too large, or lacks a field."""
    schema = parquet.schema(path)
    _fields(schema, "metric", path)
    columns = {"metric": None} | {name: _known(schema, name, path) for name in READ}
    frame = parquet.read(path, columns)
    bounds.refuse_heavy(int(frame.estimated_size()), bounds.memory_limit(path), str(path))
    return frame.to_dicts()


def _fields(schema: pl.Schema, name: str, path: Path) -> list[str]:
    """The fields of a column. Raises DataError where it holds no objects."""
    dtype = schema[name]
    if not isinstance(dtype, pl.Struct):
        raise DataError(f"{path}: {name} is {dtype}, not an object; not a file of LightEval")
    return [field.name for field in dtype.fields]


def _known(schema: pl.Schema, name: str, path: Path) -> list[str]:
    """The fields of a column that are read. Raises DataError where it has none of them."""
    known = [field for field in _fields(schema, name, path) if field in READ[name]]
    if not known:
        raise DataError(f"{path}: {name} has none of the fields {', '.join(READ[name])}; not a file of LightEval")
    return known


def _judged(row: Row, metric: str | None, path: Path) -> Judged:
    doc, response = row["doc"], row["model_response"]
    texts, choices = _list(response.get("text")), _list(doc.get("choices"))
    cleaned = _list(response.get("text_post_processed")) or texts
    columns = {
        "id": doc.get("id"),
        "prediction": cleaned[0] if cleaned else None,
        "reference": _golds(doc.get("gold_index"), choices),
        "prompt": chat_text(response.get("input")),
        "asked": doc.get("query"),
        "output": texts[0] if texts else None,
        "choices": len(choices) if len(choices) > 1 else None,
    }
    value = None if metric is None else number((row["metric"] or {}).get(metric), f"{path}: {doc.get('id')}: {metric}")
    specific = doc.get("specific")
    return Judged(columns, value, {"query": doc.get("query"), **(specific if isinstance(specific, dict) else {})})


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _golds(gold: Any, choices: list[Any]) -> list[Any] | None:
    """The texts of the right choices; of a generated answer, the only choice is the right answer."""
    numbers = gold if isinstance(gold, list) else [gold]
    return [choices[i] for i in numbers if isinstance(i, int) and 0 <= i < len(choices)] or None
