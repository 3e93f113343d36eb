"""cells.csv: one row a cell of update x task x strategy x seed, read and checked."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from stillright.errors import DataError
from stillright.records import Kind

CELLS = "cells.csv"
NEEDED_WHEN_DONE = (
    *("kind", "metric", "n", "old_score", "new_score", "score", "nfr_new", "nfr"),
    *("predictions_old", "predictions_new", "predictions"),
)


class CellRecord(BaseModel):
    """What cells.csv says of one cell; None where a field is empty. Rates are fractions, paths relative to its folder.

    method: the baseline or mask that the strategy is. *_new: of old -> new; the others of old -> candidate.
    """

    model_config = ConfigDict(frozen=True)

    update: str
    old: str
    new: str
    task: str
    metric: str | None = None
    kind: Kind | None = None
    strategy: str
    method: str
    seed: int
    status: Literal["done", "failed", "skipped", "pending"]
    reason: str | None = None
    n: int | None = None
    old_score: float | None = None
    new_score: float | None = None
    score: float | None = None
    nfr_new: float | None = None
    nfr: float | None = None
    predictions_old: str | None = None
    predictions_new: str | None = None
    predictions: str | None = None

    def __str__(self) -> str:
        return f"{self.update} {self.task} {self.strategy} seed {self.seed}"

    @property
    def done(self) -> bool:
        """Whether it has results."""
        return self.status == "done"

    @property
    def is_new(self) -> bool:
        """Whether the candidate is the new model itself, as with plain retraining."""
        return self.done and self.predictions == self.predictions_new


class Task(NamedTuple):
    """A task and what its finished cells say of it; None where none has finished."""

    name: str
    kind: Kind | None
    metric: str | None

    def __str__(self) -> str:
        return f"{self.name} ({self.metric})" if self.metric else self.name


def read_cells(out: Path) -> list[CellRecord]:
    """The cells of the study in folder `out`, in the order of the file.

    Raises DataError, naming row and column, where cells.csv is missing, is not as docs/study-results.md says, or has a
    cell twice.
    """
    path = out / CELLS
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the folder that `stillright study` wrote")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in CellRecord.model_fields if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{path}: no column {', '.join(missing)}; run the study again to write it anew")
        cells = [_cell(row, f"{path}: row {i}") for i, row in enumerate(reader, start=1)]
    if not cells:
        raise DataError(f"{path}: no cells")
    _refuse_twice(cells, path)
    return cells


def _cell(row: dict[str, Any], place: str) -> CellRecord:
    try:
        cell = CellRecord.model_validate({name: value for name, value in row.items() if value != ""})
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{place}: {'.'.join(map(str, first['loc']))}: {first['msg']} ({first['input']!r:.60})"
        ) from None
    lacking = [name for name in NEEDED_WHEN_DONE if getattr(cell, name) is None]
    if cell.done and lacking:
        raise DataError(f"{place}: its status is done, but {', '.join(lacking)} is empty; run the study again")
    return cell


def _refuse_twice(cells: list[CellRecord], path: Path) -> None:
    seen = set()
    for cell in cells:
        key = (cell.update, cell.task, cell.strategy, cell.seed)
        if key in seen:
            raise DataError(f"{path}: {' '.join(map(str, key))} stands twice; a cell has one row")
        seen.add(key)


def tasks_of(cells: list[CellRecord]) -> dict[str, Task]:
    """Tasks by name, in order of appearance. Raises DataError where a task's cells differ in kind or metric."""
    found = {}
    for name in dict.fromkeys(cell.task for cell in cells):
        says = {(cell.kind, cell.metric) for cell in cells if cell.task == name and cell.done}
        if len(says) > 1:
            named = ", ".join(sorted(f"{metric} ({kind})" for kind, metric in says))
            raise DataError(f"{CELLS}: task {name} has cells of several metrics, {named}; name tasks apart by metric")
        found[name] = Task(name, *says.pop()) if says else Task(name, None, None)
    return found
