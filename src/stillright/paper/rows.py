"""One row per task x update x strategy: means and deviations over seeds, and differences from the new model."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from stillright.comparison import Comparison, Flips, compare
from stillright.errors import DataError
from stillright.importers import read_predictions
from stillright.paper.cells_csv import CELLS, CellRecord, measured
from stillright.paper.paired import Difference, Triple, difference, same_samples
from stillright.records import Kind

Number = float | None
RATES = ("nfr", "pfr", "nfr_mc", "mean_gain", "mean_regression")
COUNTS = ("both_right", "gain", "both_wrong", "unchanged", "regression")
CHECKED = ("n", "old_score", "new_score", "nfr_new", "score", "nfr")  # of cells.csv, against the files
ROUNDED = 1e-6  # by which they may differ


class Spread(NamedTuple):
    """Mean and sample deviation (ddof 1) over the seeds that have a value; None for too few of them."""

    mean: Number
    deviation: Number
    seeds: int


def spread(values: Iterable[Number]) -> Spread:
    """The Spread of the `values` that are not None."""
    known = [value for value in values if value is not None]
    deviation = statistics.stdev(known) if len(known) > 1 else None
    return Spread(statistics.fmean(known) if known else None, deviation, len(known))


NOTHING = spread(())


class TaskSummary(NamedTuple):
    """A task as its finished cells describe it; kind and metric are None where none has finished."""

    name: str
    kind: Kind | None
    metric: str | None

    def __str__(self) -> str:
        return f"{self.name} ({self.metric})" if self.metric else self.name


@dataclass(frozen=True)
class StrategyRow:
    """What one strategy did to one task in one update.

    measures: over the seeds that are done, fractions: `old`, `new`, `score`; RATES and COUNTS (as shares of n) of
    old -> candidate, with the suffix `_new` those of old -> new, with the prefix `delta_` candidate less new.
    difference: candidate less new over samples; None where nothing is done, or the candidate is the new model.
    notes: what a reader must know about the numbers.
    """

    task: TaskSummary
    update: str
    strategy: str
    method: str  # the baseline or mask that the strategy is
    cells: tuple[CellRecord, ...]  # one per seed
    measures: dict[str, Spread]
    n: tuple[int, ...]  # of the seeds done, distinct
    difference: Difference | None
    notes: tuple[str, ...]

    def __getitem__(self, measure: str) -> Spread:
        return self.measures.get(measure, NOTHING)

    @property
    def done(self) -> tuple[CellRecord, ...]:
        """The seeds that have results."""
        return tuple(cell for cell in self.cells if cell.done)

    @property
    def is_new(self) -> bool:
        """Whether the candidate is the new model itself."""
        return bool(self.done) and all(cell.is_new for cell in self.done)

    @property
    def gain(self) -> Number:
        """Mean score of the new model less that of the old one."""
        return _less(self["new"].mean, self["old"].mean)

    @property
    def delta_nfr_relative(self) -> Number:
        """Mean change of NFR over mean NFR of old -> new; None where that is zero."""
        delta, base = self["delta_nfr"].mean, self["nfr_new"].mean
        return None if delta is None or not base else delta / base


def rows_of(cells: Sequence[CellRecord], out: Path) -> list[StrategyRow]:
    """Rows by task, update and strategy, in order of appearance.

    Raises DataError where prediction files are missing, cannot be compared, or give other numbers than cells.csv.
    """
    rows = []
    for task in _tasks(cells):
        for update in dict.fromkeys(cell.update for cell in cells):
            here = [cell for cell in cells if (cell.task, cell.update) == (task.name, update)]
            for strategy in dict.fromkeys(cell.strategy for cell in here):
                rows.append(_row(task, [cell for cell in here if cell.strategy == strategy], out))
    return rows


def _tasks(cells: Sequence[CellRecord]) -> list[TaskSummary]:
    """In order of appearance. Raises DataError where the finished cells of one differ in kind or metric."""
    found = []
    for name in dict.fromkeys(cell.task for cell in cells):
        given = {(cell.kind, cell.metric) for cell in cells if cell.task == name and cell.done}
        if len(given) > 1:
            named = ", ".join(sorted(f"{metric} ({kind})" for kind, metric in given))
            raise DataError(
                f"{CELLS}: task {name} has cells of several metrics, {named}; give each metric its own task"
            )
        found.append(TaskSummary(name, *(given.pop() if given else (None, None))))
    return found


def one_an_update(rows: Iterable[StrategyRow]) -> list[StrategyRow]:
    """For each task and update the row with most finished seeds; updates without results are left out."""
    found: dict[tuple[str, str], list[StrategyRow]] = {}
    for row in rows:
        if row.done:
            found.setdefault((row.task.name, row.update), []).append(row)
    return [max(several, key=lambda row: len(row.done)) for several in found.values()]


def triple(paths: Iterable[str], out: Path) -> Triple:
    """The predictions in three files: of old, a reference and a candidate."""
    return Triple(*(read_predictions(out / path) for path in paths))


def _row(task: TaskSummary, cells: list[CellRecord], out: Path) -> StrategyRow:
    done = [cell for cell in cells if cell.done]
    triples = [triple(cell.files, out) for cell in done]
    compared = [_compared(cell, files) for cell, files in zip(done, triples, strict=True)]
    by_seed = [_measures(found) for found in compared]
    names = dict.fromkeys(name for seed in by_seed for name in seed)
    measures = {name: spread(seed.get(name) for seed in by_seed) for name in names}
    less, why = pooled(triples) if any(not cell.is_new for cell in done) else (None, [])
    return StrategyRow(
        task=task,
        update=cells[0].update,
        strategy=cells[0].strategy,
        method=cells[0].method,
        cells=tuple(cells),
        measures=measures,
        n=tuple(dict.fromkeys(found.n for found in compared)),
        difference=less,
        notes=(*_missing(cells), *_undefined(measures, len(done)), *why),
    )


def _compared(cell: CellRecord, files: Triple) -> Comparison:
    """What became of a cell. Raises DataError where a file was cut, has other samples, or gives other numbers."""
    if not same_samples(files):
        held = ", ".join(f"{path} {len(each.table):,}" for path, each in zip(cell.files, files, strict=True))
        raise DataError(
            f"{CELLS}: {cell}: its prediction files do not answer the same samples ({held}); "
            "run the study again to rewrite them"
        )
    found = compare(files.old, files.reference, () if cell.is_new else (files.candidate,), allow=["identical"])
    _refuse_other_numbers(cell, found)
    return found


def _measures(found: Comparison) -> dict[str, Number]:
    """Of one seed; where the candidate is the new model, nothing differs from it."""
    old, new, score = found.old.score, found.new.score, found.models[-1].score
    values: dict[str, Number] = {"old": old, "new": new, "score": score}
    before, after = _rates(found.comparison, found.n), _rates(found.flips_by_model[-1][1], found.n)
    values |= {f"{name}_new": value for name, value in before.items()} | after
    if found.candidates:
        values["delta_score"] = score - new
        values |= {f"delta_{name}": _less(after[name], before[name]) for name in RATES}
    return values


def _less(a: Number, b: Number) -> Number:
    return None if a is None or b is None else a - b


def _rates(flips: Flips, n: int) -> dict[str, Number]:
    counts = {name: getattr(flips, name) for name in COUNTS}
    shares = {name: None if count is None else count / n for name, count in counts.items()}
    return {name: getattr(flips, name).value for name in RATES} | shares


def pooled(triples: Sequence[Triple]) -> tuple[Difference | None, list[str]]:
    """The difference over the samples of all seeds; where seeds answer different samples None, and why."""
    if not same_samples([each for files in triples for each in files]):
        return None, ["no interval over all seeds: they answer different samples"]
    try:
        return difference(triples), []
    except DataError as error:  # each seed alone could be compared
        return None, [f"no interval over all seeds: {error}"]


def _missing(cells: list[CellRecord]) -> list[str]:
    """Notes on which seeds are not done, and over how many the means are."""
    lacking = [cell for cell in cells if not cell.done]
    if not lacking:
        return []
    seeds: dict[str, list[str]] = {}
    for cell in lacking:
        seeds.setdefault(cell.status + (f": {cell.reason}" if cell.reason else ""), []).append(str(cell.seed))
    reasons = "; ".join(f"seed{'s' * (len(which) > 1)} {', '.join(which)} {why}" for why, which in seeds.items())
    done = len(cells) - len(lacking)
    return [f"{f'over {done} of {len(cells)} seeds' if done else 'no result'}; {reasons}"]


def _undefined(measures: dict[str, Spread], seeds: int) -> list[str]:
    short = {name: found.seeds for name, found in measures.items() if 0 < found.seeds < seeds}
    return [f"{name}: over the {count} of {seeds} seeds that define it" for name, count in short.items()]


def _refuse_other_numbers(cell: CellRecord, found: Comparison) -> None:
    """Raises DataError where cells.csv differs from what the cell's files give, both counted alike."""
    ours = measured(found)
    for name in CHECKED:
        given = math.nan if ours[name] is None else ours[name]
        if not abs(given - getattr(cell, name)) <= ROUNDED:  # which NaN is not either
            raise DataError(
                f"{CELLS}: {cell}: {name} {getattr(cell, name):g}, "
                f"but its prediction files give {given:g}; run the study again to rewrite it"
            )
