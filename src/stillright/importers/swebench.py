"""SWE-bench: MODEL.RUN.json, the report of a run, in which instances are listed by what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from stillright.errors import DataError
from stillright.importers.grades import Judged, graded
from stillright.importers.selection import Selection, refuse_unknown
from stillright.jsonl import read_json
from stillright.records import Header, PredictionSet


class Report(msgspec.Struct):
    """The lists that say whether an issue was resolved, and those that say that this is not known."""

    resolved: list[str] = msgspec.field(name="resolved_ids")
    unresolved: list[str] = msgspec.field(name="unresolved_ids")
    empty: list[str] = msgspec.field(default_factory=list, name="empty_patch_ids")
    errors: list[str] = msgspec.field(default_factory=list, name="error_ids")
    incomplete: list[str] = msgspec.field(default_factory=list, name="incomplete_ids")
    infra: list[str] = msgspec.field(default_factory=list, name="infra_failure_ids")  # also in one of the others
    reasons: dict[str, Any] = msgspec.field(default_factory=dict, name="failure_reasons")


def read(path: Path, selection: Selection) -> PredictionSet:
    """All instances of the data set. Raises DataError for one that is listed as two things."""
    report: Report = read_json(path, Report)
    known = {"metric": ["resolved"], "task": (), "model": (), "filter": (), "prompt": (), "run": ()}
    refuse_unknown(selection, known, str(path))
    outcomes: dict[str, tuple[str, bool | None]] = {}
    for name, right, ids in (
        ("resolved", True, report.resolved),
        ("unresolved", False, report.unresolved),
        ("empty patch", False, report.empty),
        ("error", None, report.errors),
        ("incomplete", None, report.incomplete),
    ):
        for each in ids:
            if outcomes.setdefault(each, (name, right)) != (name, right):
                raise DataError(f"{path}: {each} is listed as {outcomes[each][0]} and as {name}; write the report anew")
    broken = set(report.infra)
    if homeless := sorted(broken - outcomes.keys()):
        named = f"{homeless[0]!r:.60} is in infra_failure_ids and in no other list"
        raise DataError(f"{path}: {named}; write the report anew")
    judged = [
        _judged(each, name, None if each in broken else right, report)
        for each, (name, right) in sorted(outcomes.items())
    ]
    header = Header(
        name=path.name.removesuffix(".json"), metric="resolved", kind="discrete", source={"tool": "SWE-bench"}
    )
    return graded(judged, header, selection, str(path))


def _judged(instance: str, outcome: str, right: bool | None, report: Report) -> Judged:
    more = {"outcome": outcome, "reason": report.reasons.get(instance), "repository": instance.rpartition("-")[0]}
    return Judged({"id": instance}, right, more)
