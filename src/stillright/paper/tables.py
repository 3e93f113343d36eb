"""Rows -> tables 4 to 7 of Echterhoff et al., 2024, for any study, as Markdown and CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from stillright.paper.cells_csv import as_csv
from stillright.paper.numbers import number, p_text
from stillright.paper.paired import Difference
from stillright.paper.rows import StrategyRow
from stillright.records import Kind
from stillright.report.markdown import cell
from stillright.report.markdown import table as markdown_table
from stillright.report.words import DASH

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
    "discrete": {**LEVELS, **FLIPS, "NFR_mc new": value("nfr_mc_new"), "NFR_mc": value("nfr_mc")},
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
    """A table for people, and the numbers behind it."""

    markdown: str
    csv: str


def tables_of(rows: Sequence[StrategyRow]) -> dict[str, Table | None]:
    """Tables by name: discrete, continuous, ablation and missing; None for one without a row."""
    found: dict[str, Table | None] = {}
    for kind, columns in COLUMNS.items():
        caption = f"Old, new and candidate models on {kind} tasks. {UNITS}"
        found[kind] = _table(caption, [row for row in rows if row.task.kind == kind], columns)
    compared = [row for row in rows if row.task.kind is not None and not row.is_new]
    found["ablation"] = _table(f"What each strategy changes against the new model. {UNITS}", compared, ABLATION)
    found["missing"] = _missing(rows)
    return found


def _table(caption: str, rows: Sequence[StrategyRow], columns: dict[str, Show]) -> Table | None:
    notes = list(dict.fromkeys(note for row in rows for note in row.notes))
    lines = []
    for row in rows:
        marks = "".join(f" [{notes.index(note) + 1}]" for note in row.notes)
        seeds = f"{len(row.done)}/{len(row.cells)}"
        place = [str(row.task), row.update, row.strategy + marks, seeds, ", ".join(map(str, row.n)) or DASH]
        lines.append([*place, *(show(row) for show in columns.values())])
    head = ["task", "update", "strategy", "seeds", "n", *columns]
    return Table(_markdown(caption, head, lines, 3, notes), _numbers(rows)) if lines else None


def _missing(rows: Iterable[StrategyRow]) -> Table | None:
    """Every cell without a result."""
    head = ["task", "update", "strategy", "seed", "status", "reason"]
    lines = [
        [row.task.name, row.update, row.strategy, str(cell.seed), cell.status, cell.reason or ""]
        for row in rows
        for cell in row.cells
        if not cell.done
    ]
    return Table(_markdown("Cells without a result.", head, lines, 6), as_csv([head, *lines])) if lines else None


def _markdown(caption: str, head: list[str], rows: list[list[str]], texts: int, notes: Sequence[str] = ()) -> str:
    """A page; texts: how many leading columns are words; notes: numbered from 1, as cells refer to them."""
    lines = markdown_table([cell(text) for text in head], [[cell(text) for text in row] for row in rows]).split("\n")
    lines[1] = "| " + " | ".join(["---"] * texts + ["---:"] * (len(head) - texts)) + " |"
    numbered = [f"[{i}] {cell(note)}" for i, note in enumerate(notes, start=1)]
    return "\n\n".join([cell(caption), "\n".join(lines), *numbered]) + "\n"


def _numbers(rows: Sequence[StrategyRow]) -> str:
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
