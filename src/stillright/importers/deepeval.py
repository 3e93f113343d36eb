"""DeepEval: test_run_DATE.json, or .latest_run_full.json, with the test cases of a run and the results of all metrics.

The metric `pass` is the verdict on a test case; any other is the score of one of its metrics.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from stillright.directions import is_lower_better
from stillright.importers.grades import Judged, graded, number
from stillright.importers.selection import Selection, choose, refuse_unknown
from stillright.jsonl import read_json
from stillright.records import Header, PredictionSet

PASS = "pass"  # noqa: S105 - the metric that is the verdict on all metrics


class Metric(msgspec.Struct):
    """The result of a metric for a test case."""

    name: str
    score: Any = None
    success: bool | None = None
    threshold: float | None = None
    error: str | None = None
    flaky: bool = False  # counts in no verdict


class Case(msgspec.Struct):
    """A test case; only the fields that are read."""

    name: str
    input: str | None = None
    scenario: str | None = None  # of a conversation, in place of an input
    output: str | None = msgspec.field(default=None, name="actualOutput")
    expected: str | None = msgspec.field(default=None, name="expectedOutput")
    success: bool | None = None
    metrics: list[Metric] | None = msgspec.field(default=None, name="metricsData")
    order: int | None = None
    turns: list[dict[str, Any]] = []
    metadata: dict[str, Any] | None = None
    context: list[Any] | None = None


class Run(msgspec.Struct):
    """A whole file."""

    cases: list[Case] = msgspec.field(default_factory=list, name="testCases")
    conversations: list[Case] = msgspec.field(default_factory=list, name="conversationalTestCases")
    hyperparameters: dict[str, Any] | None = None
    identifier: str | None = None
    dataset: str | None = msgspec.field(default=None, name="datasetAlias")


def read(path: Path, selection: Selection) -> PredictionSet:
    """The test cases, judged by one metric. Raises DataError for anything that DeepEval has not written."""
    run: Run = read_json(path, Run)
    task = [run.dataset] if run.dataset else []
    refuse_unknown(selection, {"task": task, "model": (), "filter": (), "prompt": (), "run": ()}, str(path))
    cases = [*run.cases, *run.conversations]
    metric = choose(
        "metric", [PASS, *(each.name for case in cases for each in _of(case))], selection.metric, str(path), (PASS,)
    )
    header = Header(
        name=run.identifier or path.stem,
        task=run.dataset,
        metric=metric,
        kind="discrete" if metric == PASS else None,
        lower_is_better=_is_lower_better(metric, cases, selection, str(path)),
        source={"tool": "DeepEval", "hyperparameters": run.hyperparameters},
    )
    ids = _ids(run)
    return graded([_judged(ids[i], case, metric, path) for i, case in enumerate(cases)], header, selection, str(path))


def _of(case: Case) -> list[Metric]:
    return case.metrics or []


def _ids(run: Run) -> list[str]:
    """The place of each test case in its list; conversations, which have a list of their own, are called so."""
    places = [str(i if case.order is None else case.order) for i, case in enumerate(run.cases)]
    return places + [
        f"conversation {i if case.order is None else case.order}" for i, case in enumerate(run.conversations)
    ]


def _is_lower_better(metric: str, cases: list[Case], selection: Selection, place: str) -> bool | None:
    """True where a metric was met below its threshold, or not met above it, as with those of early releases."""
    said = False if metric == PASS else None
    for each in (each for case in cases for each in _of(case) if each.name == metric and each.error is None):
        if not isinstance(each.score, int | float) or each.threshold is None or each.score == each.threshold:
            continue
        if each.success is not None:
            said = each.success != (each.score > each.threshold)
    return is_lower_better(metric, said, selection.lower_is_better, place)


def _judged(sample: str, case: Case, metric: str, path: Path) -> Judged:
    said = [turn.get("content") for turn in case.turns if turn.get("role") == "assistant"]
    output = case.output if case.output is not None else said[-1] if said else None
    row = {
        "id": sample,
        "reference": case.expected,
        "prompt": case.input if case.input is not None else case.scenario,
        "output": output if isinstance(output, str) else None,
    }
    given = case.metadata or {}
    return Judged(row, _value(case, metric, f"{path}: {case.name}: {metric}"), {"name": case.name, **given})


def _value(case: Case, metric: str, place: str) -> float | None:
    """The metric's value; None where it failed itself, which DeepEval counts as a test case that is not met."""
    if metric != PASS:
        found = next((each for each in _of(case) if each.name == metric and each.error is None), None)
        return None if found is None else number(found.score, place)
    counted = [each for each in _of(case) if not each.flaky]
    failed = any(each.success is False and each.error is None for each in counted)
    if any(each.error is not None for each in counted) and not failed:
        return None
    return number(case.success, place)
