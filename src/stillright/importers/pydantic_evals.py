"""Pydantic Evals: an EvaluationReport as JSON, as its EvaluationReportAdapter writes it.

A metric is an assertion, which is right or wrong, or a score. A case whose task failed has neither.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from stillright.directions import is_lower_better
from stillright.errors import DataError
from stillright.importers.grades import Judged, graded, number, text_or_json
from stillright.importers.selection import Selection, choose, choose_metric, refuse_unknown
from stillright.jsonl import read_json
from stillright.messages import chat_text
from stillright.records import Header, PredictionSet

REPEAT = re.compile(r" \[(\d{1,9})/\d+\]")  # after the name of a case that runs several times


class Result(msgspec.Struct):
    """What an evaluator found."""

    value: Any = None


class Case(msgspec.Struct):
    """A case; one whose task failed has no output and no results."""

    name: str
    inputs: Any = None
    output: Any = None
    expected: Any = msgspec.field(default=None, name="expected_output")
    metadata: Any = None
    assertions: dict[str, Result] = {}
    scores: dict[str, Result] = {}
    labels: dict[str, Result] = {}
    metrics: dict[str, Any] = {}  # counted by the task: tokens, cost
    attributes: dict[str, Any] = {}
    task_duration: float | None = None  # seconds
    source: str | None = msgspec.field(default=None, name="source_case_name")  # the name without the repeat

    @property
    def results(self) -> dict[str, Result]:
        """What can be a metric."""
        return self.scores | self.assertions


class Report(msgspec.Struct):
    """A whole file."""

    name: str
    cases: list[Case]
    failures: list[Case]
    dataset: str | None = msgspec.field(default=None, name="dataset_name")
    experiment_metadata: dict[str, Any] | None = None


def read(path: Path, selection: Selection) -> PredictionSet:
    """The cases of one run (`run`, from 1), judged by one metric. Raises DataError if `selection` leaves several."""
    report: Report = read_json(path, Report)
    tasks = [report.dataset] if report.dataset else []
    refuse_unknown(selection, {"task": tasks, "model": (), "filter": (), "prompt": ()}, str(path))
    cases = _of_run([*report.cases, *report.failures], selection, str(path))
    metric = choose_metric((name for case in cases for name in case.results), selection, str(path))
    is_verdict = all(metric not in case.scores for case in cases)
    header = Header(
        name=report.name,
        task=report.dataset,
        metric=metric,
        kind="discrete" if is_verdict else None,
        lower_is_better=is_lower_better(metric, False if is_verdict else None, selection.lower_is_better, str(path)),
        source={"tool": "Pydantic Evals", "experiment": report.experiment_metadata},
    )
    judged = [_judged(case, metric, f"{path}: {case.name}: {metric}") for case in cases]
    return graded(judged, header, selection, str(path))


def _of_run(cases: list[Case], selection: Selection, place: str) -> list[Case]:
    runs = [_run(case, place) for case in cases]
    run = choose("run", sorted(set(runs)) or [1], selection.run, place)
    return [case for case, found in zip(cases, runs, strict=True) if str(found) == run]


def _run(case: Case, place: str) -> int:
    """Which repeat of its case this is, as its name says. Raises DataError where it does not."""
    if case.source is None:
        return 1
    found = REPEAT.fullmatch(case.name.removeprefix(case.source))
    if found is None:
        numbered = f"{case.source:.60} [1/3]"
        raise DataError(f"{place}: {case.name!r:.60} is a repeat without its number, as in {numbered!r}")
    return int(found[1])


def _judged(case: Case, metric: str | None, place: str) -> Judged:
    row = {
        "id": case.source or case.name,
        "reference": text_or_json(case.expected),
        "prompt": chat_text(case.inputs) or text_or_json(case.inputs),
        "asked": text_or_json(case.inputs),
        "output": text_or_json(case.output),
    }
    found = case.results.get(metric) if metric else None
    labels = {name: label.value for name, label in case.labels.items()}
    given = case.metadata if isinstance(case.metadata, dict) else {}
    more = {"task_duration": case.task_duration, **case.metrics, **case.attributes, **labels, **given}
    return Judged(row, None if found is None else number(found.value, place), more)
