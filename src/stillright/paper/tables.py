"""Rows -> tables 4 to 7 of Echterhoff et al., 2024, for any study."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from stillright.paper.layout import Sheet, number, p_text
from stillright.paper.paired import Difference
from stillright.paper.rows import StrategyRow
from stillright.records import Kind
from stillright.report.words import DASH
from stillright.study.cells_csv import as_csv

Show = Callable[[StrategyRow], str]


def value(measure: str) -> Show:
    """A column of a rate or score in percent, ± its deviation over seeds."""
    return lambda row: number(row[measure].mean, row[measure].deviation)


def delta(measure: str, interval: str = "") -> Show:
    """A column of a difference from the new model in points, with the interval of that name in `row.difference`."""

    def show(row: StrategyRow) -> str:
        found = getattr(row.difference, interval) if interval and row.difference else None
        return number(row[measure].mean, row[measure].deviation, found, sign="+")

    return show


def _relative(row: StrategyRow) -> str:
    return number(row.delta_nfr_relative, None, row.difference.nfr_relative if row.difference else None, sign="+")


def _p(row: StrategyRow) -> str:
    return p_text(row.difference.nfr_p if row.difference else None)


DELTAS: dict[str, Show] = {"ΔNFR": delta("delta_nfr", "nfr"), "Δ% NFR": _relative}
LEVELS: dict[str, Show] = {"old": value("old"), "new": value("new"), "candidate": value("score")}
FLIPS: dict[str, Show] = {
    "NFR new": value("nfr_new"),
    "NFR": value("nfr"),
    **DELTAS,
    "Δ score": delta("delta_score", "score"),
    "PFR new": value("pfr_new"),
    "PFR": value("pfr"),
}
COLUMNS: dict[Kind, dict[str, Show]] = {
    "discrete": {
        **LEVELS,
        **FLIPS,
        "NFR_mc new": value("nfr_mc_new"),
        "NFR_mc": value("nfr_mc"),
    },
    "continuous": {
        **LEVELS,
        **FLIPS,
        "mean gain new": value("mean_gain_new"),
        "mean gain": value("mean_gain"),
        "Δ mean gain": delta("delta_mean_gain"),
        "mean regression new": value("mean_regression_new"),
        "mean regression": value("mean_regression"),
        "Δ mean regression": delta("delta_mean_regression"),
    },
}
ABLATION: dict[str, Show] = {
    **DELTAS,
    "ΔPFR": delta("delta_pfr"),
    "Δ score": delta("delta_score", "score"),
    "p of ΔNFR": _p,
}
UNITS = (
    "Scores and rates in percent, Δ in points against the new model, Δ% relative to its NFR. ± is the sample deviation "
    "over seeds; brackets hold 95 % intervals over samples."
)


class Table(NamedTuple):
    """A table as text, and as the numbers behind it (CSV)."""

    sheet: Sheet
    csv: str


def tables_of(rows: Sequence[StrategyRow]) -> dict[str, Table]:
    """Tables by name: discrete, continuous, ablation and missing; those without a row are left out."""
    found: dict[str, Table] = {}
    for kind, columns in COLUMNS.items():
        of_kind = [row for row in rows if row.task.kind == kind]
        caption = f"Old, new and candidate models on {kind} tasks. {UNITS}"
        if of_kind:
            found[kind] = Table(_sheet(caption, of_kind, columns), numbers(of_kind))
    compared = [row for row in rows if row.task.kind is not None and not row.is_new]
    if compared:
        caption = f"What each strategy changes against the new model. {UNITS}"
        found["ablation"] = Table(_sheet(caption, compared, ABLATION), numbers(compared))
    missing = _missing(rows)
    if missing.rows:
        found["missing"] = Table(missing, as_csv([missing.head, *missing.rows]))
    return found


def _sheet(caption: str, rows: Sequence[StrategyRow], columns: dict[str, Show]) -> Sheet:
    notes = list(dict.fromkeys(note for row in rows for note in row.notes))
    lines = []
    for row in rows:
        marks = "".join(f" [{notes.index(note) + 1}]" for note in row.notes)
        seeds = f"{len(row.done)}/{len(row.cells)}"
        place = [str(row.task), row.update, row.strategy + marks, seeds, ", ".join(map(str, row.n)) or DASH]
        lines.append([*place, *(show(row) for show in columns.values())])
    return Sheet(caption, ["task", "update", "strategy", "seeds", "n", *columns], lines, texts=3, notes=notes)


def _missing(rows: Iterable[StrategyRow]) -> Sheet:
    """Every cell without a result."""
    lines = [
        [row.task.name, row.update, row.strategy, str(cell.seed), cell.status, cell.reason or ""]
        for row in rows
        for cell in row.cells
        if not cell.done
    ]
    return Sheet("Cells without a result.", ["task", "update", "strategy", "seed", "status", "reason"], lines, 6, [])


def numbers(rows: Sequence[StrategyRow]) -> str:
    """The CSV of `rows`: fractions in full, `_sd` deviations over seeds, `_low` and `_high` intervals over samples."""
    records = [_record(row) for row in rows]
    names = list(dict.fromkeys(name for record in records for name in record if name != "note"))
    lines = [[record.get(name) for name in (*names, "note")] for record in records]
    return as_csv([[*names, "note"], *lines])


def _record(row: StrategyRow) -> dict[str, Any]:
    record: dict[str, Any] = {
        **{"task": row.task.name, "metric": row.task.metric, "update": row.update, "strategy": row.strategy},
        **{"seeds": len(row.cells), "done": len(row.done), "n": " ".join(map(str, row.n))},
    }
    for name, found in row.measures.items():
        record |= {name: found.mean, f"{name}_sd": found.deviation}
    record["delta_nfr_relative"] = row.delta_nfr_relative
    if row.difference:
        record |= _intervals(row.difference)
    return record | {"note": "; ".join(row.notes)}


def _intervals(found: Difference) -> dict[str, float | None]:
    intervals = {"nfr": found.nfr, "nfr_relative": found.nfr_relative, "score": found.score, "nfr_mc": found.nfr_mc}
    columns = {"delta_nfr_p": found.nfr_p, "delta_nfr_mc_p": found.nfr_mc_p}
    for name, interval in intervals.items():
        columns |= {f"delta_{name}_low": interval.low, f"delta_{name}_high": interval.high}
    return columns
