"""Rows -> tables 4 to 7 of Echterhoff et al., 2024, for any study, as Markdown and CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from stillright.paper.cells_csv import as_csv
from stillright.paper.rows import StrategyRow
from stillright.records import Kind
from stillright.report.markdown import cell
from stillright.report.markdown import table as markdown_table
from stillright.report.words import DASH
from stillright.stats import TOO_FEW, Estimate

Show = Callable[[StrategyRow], str]


def number(
    value: float | None, deviation: float | None = None, interval: Estimate | None = None, sign: str = ""
) -> str:
    """A fraction in percent with two decimals: "72.74", "72.74 ± 0.31", "-4.17 [-5.10, -3.20]"; a dash for None.

    An interval of too few samples is shown as "[too few]".

    sign: "+" for differences, which then are in points.
    """
    if value is None:
        return DASH
    text = _percent(value, sign)
    if deviation is not None:
        text += f" ± {_percent(deviation)}"
    if interval is not None and interval.low is not None and interval.high is not None:
        text += f" [{_percent(interval.low, sign)}, {_percent(interval.high, sign)}]"
    elif interval is not None and interval.too_few:
        text += f" [{TOO_FEW}]"
    return text


def p_text(p: float | None) -> str:
    """ "0.0120", "<0.0001", a dash for None."""
    return DASH if p is None else "<0.0001" if p < 1e-4 else f"{p:.4f}"


def _percent(value: float, sign: str = "") -> str:
    return f"{round(100 * value, 2) + 0.0:{sign}.2f}"  # + 0.0: no -0.00


def value(measure: str) -> Show:
    """A column of a rate or score in percent, ± its deviation over seeds."""
    return lambda row: number(row[measure].mean, row[measure].deviation)


def delta(measure: str, interval: str = "") -> Show:
    """A column of a difference from the new model in points, with the interval of that name in `row.difference`."""
    return lambda row: number(row[measure].mean, row[measure].deviation, getattr(row.difference, interval, None), "+")


DELTAS: dict[str, Show] = {
    "ΔNFR": delta("delta_nfr", "nfr"),
    "Δ% NFR": lambda row: number(row.delta_nfr_relative, None, getattr(row.difference, "nfr_relative", None), sign="+"),
}
COMMON: dict[str, Show] = {
    "old": value("old"),
    "new": value("new"),
    "candidate": value("score"),
    "NFR new": value("nfr_new"),
    "NFR": value("nfr"),
    **DELTAS,
    "Δ score": delta("delta_score", "score"),
    "PFR new": value("pfr_new"),
    "PFR": value("pfr"),
}
COLUMNS: dict[Kind, dict[str, Show]] = {
    "discrete": {**COMMON, "NFR_mc new": value("nfr_mc_new"), "NFR_mc": value("nfr_mc")},
    "continuous": {
        **COMMON,
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
    "p of ΔNFR": lambda row: p_text(getattr(row.difference, "nfr_p", None)),
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
    cells = [cell.model_dump() for row in rows for cell in row.cells if not cell.done]
    lines = [["" if cell[name] is None else str(cell[name]) for name in head] for cell in cells]
    return Table(_markdown("Cells without a result.", head, lines, 6), as_csv(head, cells)) if cells else None


def _markdown(caption: str, head: list[str], rows: list[list[str]], texts: int, notes: Sequence[str] = ()) -> str:
    """A page; texts: how many leading columns are words; notes: numbered from 1, as cells refer to them."""
    lines = markdown_table([cell(text) for text in head], [[cell(text) for text in row] for row in rows]).split("\n")
    lines[1] = "| " + " | ".join(["---"] * texts + ["---:"] * (len(head) - texts)) + " |"
    numbered = [f"[{i}] {cell(note)}" for i, note in enumerate(notes, start=1)]
    return "\n\n".join([cell(caption), "\n".join(lines), *numbered]) + "\n"


def _numbers(rows: Sequence[StrategyRow]) -> str:
    """The CSV of `rows`: fractions in full, `_sd` deviations over seeds, `_low` and `_high` intervals over samples."""
    records = [_record(row) for row in rows]
    names = dict.fromkeys(name for record in records for name in record if name != "note")
    return as_csv([*names, "note"], records)


def _record(row: StrategyRow) -> dict[str, Any]:
    record: dict[str, Any] = {
        **{"task": row.task.name, "metric": row.task.metric, "update": row.update, "strategy": row.strategy},
        **{"seeds": len(row.cells), "done": len(row.done), "n": " ".join(map(str, row.n))},
    }
    for name, found in row.measures.items():
        record |= {name: found.mean, f"{name}_sd": found.deviation}
    record["delta_nfr_relative"] = row.delta_nfr_relative
    if row.difference:
        record |= {"delta_nfr_p": row.difference.nfr_p, "delta_nfr_mc_p": row.difference.nfr_mc_p}
        for name in ("nfr", "nfr_relative", "score", "nfr_mc"):
            interval: Estimate = getattr(row.difference, name)
            record |= {f"delta_{name}_low": interval.low, f"delta_{name}_high": interval.high}
    return record | {"note": "; ".join(row.notes)}
