"""Braintrust: the spans of an experiment as its API lists them: a page, a list, or one a line.

A root span is what became of a test case; its scores stand in it, or in the spans of its scorers.
"""

from __future__ import annotations

from collections import defaultdict
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


class Origin(msgspec.Struct):
    """The row that a test case was made from."""

    kind: str = msgspec.field(default="", name="object_type")
    id: str | None = None


class Span(msgspec.Struct):
    """A span; only the fields that are read."""

    id: str
    root: str = msgspec.field(name="root_span_id")
    parents: list[str] | None = msgspec.field(default=None, name="span_parents")
    version: str = msgspec.field(default="", name="_xact_id")
    experiment: str | None = msgspec.field(default=None, name="experiment_id")
    attributes: dict[str, Any] | None = msgspec.field(default=None, name="span_attributes")
    created: str = ""
    input: Any = None
    output: Any = None
    expected: Any = None
    error: Any = None
    scores: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    origin: Origin | None = None


class Trace(msgspec.Struct):
    """A test case, and what its scorers found, in the order in which they count."""

    root: Span
    scores: list[dict[str, Any]]


def read(path: Path, selection: Selection) -> PredictionSet:
    """The test cases of one experiment (`model`, its id) and trial (`run`), judged by one score.

    Raises DataError for anything else, and if `selection` leaves several.
    """
    spans = _latest(read_listing(path, Span, "events"))
    refuse_unknown(selection, {"task": (), "filter": (), "prompt": ()}, str(path))
    experiments = [span.experiment for span in spans if span.experiment]
    experiment = choose("model", experiments, selection.model, str(path)) if experiments else None
    traces = _traces([span for span in spans if span.experiment == experiment])
    chosen = of_run(_identified(traces), selection, str(path))
    names = [name for _, trace in chosen for scores in trace.scores for name in scores]
    metric = choose_metric(names, selection, str(path))
    header = Header(
        name=path.name.removesuffix(".gz").rsplit(".", 1)[0],
        metric=metric,
        lower_is_better=is_lower_better(metric, None, selection.lower_is_better, str(path)),
        source={"tool": "Braintrust", "experiment": experiment},
    )
    judged = [_judged(name, trace, metric, f"{path}: {name}: {metric}") for name, trace in chosen]
    return graded(judged, header, selection, str(path))


def _latest(spans: list[Span]) -> list[Span]:
    """Each span once, as it is in its last version: pages list those before it too."""
    return list({span.id: span for span in sorted(spans, key=lambda span: (len(span.version), span.version))}.values())


def _traces(spans: list[Span]) -> list[Trace]:
    """In the order in which they ran."""
    scorers: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        if span.parents and (span.attributes or {}).get("type") == "score":
            scorers[span.root].append(span)
    roots = sorted((span for span in spans if not span.parents), key=lambda span: (span.created, span.id))
    return [Trace(root, [each.scores for each in (root, *scorers[root.root]) if each.scores]) for root in roots]


def _identified(traces: list[Trace]) -> list[tuple[str, Trace]]:
    """With the id of the row of the dataset, where all have one; else with what was asked, as Braintrust joins them."""
    rows = [
        trace.root.origin.id if trace.root.origin and trace.root.origin.kind == "dataset" else None for trace in traces
    ]
    asked = [text_or_json(trace.root.input) or "" for trace in traces]
    known = [row for row in rows if row is not None]
    return list(zip(known if len(known) == len(traces) else asked, traces, strict=True))


def _judged(name: str, trace: Trace, metric: str | None, place: str) -> Judged:
    root = trace.root
    row = {
        "id": name,
        "reference": text_or_json(root.expected),
        "prompt": chat_text(root.input) or text_or_json(root.input),
        "output": text_or_json(root.output),
    }
    return Judged(row, _value(trace, metric, place), {"input": text_or_json(root.input), **(root.metadata or {})})


def _value(trace: Trace, metric: str | None, place: str) -> float | None:
    """The score: the root's own before those of scorers. None where the task or the scorer failed, even if that was
    logged as 0. Raises DataError where scorers disagree."""
    failed = (trace.root.metadata or {}).get("scorer_errors")
    if metric is None or trace.root.error is not None or (isinstance(failed, dict) and metric in failed):
        return None
    values = [number(scores[metric], place) for scores in trace.scores if metric in scores]
    known = [value for value in values if value is not None]
    if trace.root.scores and trace.root.scores.get(metric) is not None:
        return known[0]
    if len(set(known)) > 1:
        raise DataError(f"{place} is {', '.join(map(str, known))} in the spans of one test case; keep one")
    return known[0] if known else None
