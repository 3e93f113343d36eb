"""every_eval_ever: UUID_samples.jsonl, one line for each sample and metric, with UUID.json beside it.

The verdict is the score: what `is_correct` means differs from one converter to the next.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from stillright.directions import is_lower_better
from stillright.errors import DataError
from stillright.importers.grades import Judged, graded, number, text
from stillright.importers.selection import Selection, choose, choose_metric, refuse_unknown
from stillright.jsonl import read_json, read_lines
from stillright.records import Header, PredictionSet

SAMPLES = "_samples.jsonl"
UNKNOWN = -1.0  # the score of a metric of levels that says that there is none
NOT_EXTRACTED = "none"  # then the value is the response; of choices the likeliest one, whatever the metric ranks first
NOT_OF_ANSWERS = ("execution_command",)  # a generation setting that is none


class Input(msgspec.Struct):
    """What was asked."""

    raw: str
    reference: list[str] = []
    choices: list[str] | None = None


class Row(msgspec.Struct):
    """One metric of one sample; only the fields that are read."""

    model_id: str
    evaluation_name: str
    sample_id: str | int
    input: Input
    evaluation: dict[str, Any]
    metric: str | None = msgspec.field(default=None, name="evaluation_result_id")
    sample_hash: str | None = None
    output: dict[str, Any] | None = None
    messages: list[dict[str, Any]] | None = None
    attribution: list[dict[str, Any]] = msgspec.field(default_factory=list, name="answer_attribution")
    error: str | None = None
    metadata: dict[str, Any] | None = None


class Result(msgspec.Struct):
    """What is said of a metric beside the samples."""

    id: str | None = msgspec.field(default=None, name="evaluation_result_id")
    metric_config: dict[str, Any] = {}
    generation_config: dict[str, Any] | None = None


class Account(msgspec.Struct):
    """UUID.json: what is said of a whole run."""

    results: list[Result] = msgspec.field(default_factory=list, name="evaluation_results")
    eval_library: dict[str, Any] = {}


def read(path: Path, selection: Selection) -> PredictionSet:
    """The samples of one evaluation, model and metric. Raises DataError if `selection` leaves several or none."""
    refuse_unknown(selection, {"filter": (), "prompt": (), "run": ()}, str(path))
    file, beside = _files(path)
    rows = [row for _, row in read_lines(file, Row)]
    model = choose("model", (row.model_id for row in rows), selection.model, str(file))
    rows = [row for row in rows if row.model_id == model]
    task = choose("task", (row.evaluation_name for row in rows), selection.task, str(file))
    rows = [row for row in rows if row.evaluation_name == task]
    metric = choose_metric((row.metric for row in rows if row.metric), selection, str(file)) if _named(rows) else None
    account = read_json(beside, Account) if beside.is_file() else Account()
    result = next((each for each in account.results if metric and each.id == metric), Result())
    lower = result.metric_config.get("lower_is_better")
    said = lower if isinstance(lower, bool) else None
    header = Header(
        name=model,
        task=task,
        metric=metric,
        lower_is_better=is_lower_better(metric, said, selection.lower_is_better, str(file)),
        settings={"generation": _generation(result)},
        source={"tool": "every_eval_ever", "model": model, "library": account.eval_library.get("name")},
    )
    unknown = result.metric_config.get("has_unknown_level") is True
    return graded(_judged(rows, metric, unknown, file), header, selection, str(file))


def _files(path: Path) -> tuple[Path, Path]:
    """The samples, and what is said of the run. Raises DataError where only the latter is there."""
    name = path.name.removesuffix(".gz")
    if name.endswith(".jsonl"):
        return path, path.with_name(name.removesuffix(".jsonl").removesuffix("_samples") + ".json")
    samples = path.with_name(path.stem + SAMPLES)
    if not samples.is_file():
        raise DataError(f"{path}: totals of every_eval_ever without {samples.name} beside them; put it there")
    return samples, path


def _named(rows: list[Row]) -> bool:
    return any(row.metric for row in rows)


def _generation(result: Result) -> dict[str, Any] | None:
    given = (result.generation_config or {}).get("generation_args")
    known = given.items() if isinstance(given, dict) else ()
    return {key: value for key, value in known if value is not None and key not in NOT_OF_ANSWERS} or None


def _judged(rows: list[Row], metric: str | None, unknown: bool, file: Path) -> list[Judged]:
    """Each sample once; unscored where it has no row of the metric, as a converter writes one without any metric."""
    scored = {row.sample_id: row for row in rows if row.metric == metric}
    others = {row.sample_id: row for row in rows if row.sample_id not in scored}
    _refuse_repeated(rows, metric, file)
    return [_sample(row, metric, unknown, file) for row in (*scored.values(), *others.values())]


def _refuse_repeated(rows: list[Row], metric: str | None, file: Path) -> None:
    counts = Counter(row.sample_id for row in rows if row.metric == metric)
    repeated = next((sample for sample, count in counts.items() if count > 1), None)
    if repeated is not None:
        raise DataError(f"{file}: sample {repeated} has several rows of {metric or 'no metric'}; keep one")


def _sample(row: Row, metric: str | None, unknown: bool, file: Path) -> Judged:
    place = f"{file}: sample {row.sample_id}: score"
    known = row.error is None and row.metric == metric
    value = number(row.evaluation.get("score"), place) if known else None
    final: dict[str, Any] = next((each for each in reversed(row.attribution) if each.get("is_terminal") is True), {})
    more = row.metadata or {}
    asked = more.get("doc_hash") or row.sample_hash
    extracted = final.get("extraction_method") != NOT_EXTRACTED
    columns = {
        "id": row.sample_id,
        "prediction": text(final.get("extracted_value")) if extracted else None,
        "reference": row.input.reference or None,
        "prompt": row.input.raw,
        "asked": text(asked),
        "output": None if row.error is not None or (row.input.choices and not extracted) else _output(row),
        "choices": len(row.input.choices) if row.input.choices else None,
    }
    return Judged(columns, None if unknown and value == UNKNOWN else value, more)


def _output(row: Row) -> str | None:
    """The first response; of a conversation what the model said last."""
    raw = (row.output or {}).get("raw")
    if isinstance(raw, list):
        return text(raw[0]) if raw else None
    said = [each.get("content") for each in row.messages or () if each.get("role") == "assistant"]
    return text(said[-1]) if said else None
