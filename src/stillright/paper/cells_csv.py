"""cells.csv, one row per cell: the contract between a study, which writes it, and what is made of it.

docs/study.md has the columns.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from stillright.comparison import Comparison
from stillright.errors import DataError
from stillright.records import Kind

CELLS = "cells.csv"
MAY_LACK = frozenset({"slope", "r2"})  # columns that files of earlier studies do not have
MAY_BE_EMPTY = MAY_LACK | {"reason", "nfr_mc_new", "nfr_mc", "seconds", "tokens"}  # although the cell is done
Status = Literal["done", "failed", "skipped", "pending"]


class CellRecord(BaseModel):
    """A cell and what became of it; None where a field is empty. Rates are fractions, paths relative to the folder.

    *_new: of old -> new; the others of old -> candidate.
    """

    model_config = ConfigDict(frozen=True)

    update: str
    old: str
    new: str
    task: str
    metric: str | None = None
    kind: Kind | None = None
    strategy: str
    method: str  # the baseline, or else the mask: what the strategy is, whatever it is called
    seed: int
    status: Status
    reason: str | None = None
    n: int | None = None
    old_score: float | None = None
    new_score: float | None = None
    score: float | None = None
    nfr_new: float | None = None
    nfr: float | None = None
    nfr_mc_new: float | None = None
    nfr_mc: float | None = None
    pfr_new: float | None = None
    pfr: float | None = None
    slope: float | None = None  # how well the trained adapter follows old, on validation samples
    r2: float | None = None
    predictions_old: str | None = None
    predictions_new: str | None = None
    predictions: str | None = None
    seconds: float | None = None
    tokens: int | None = None

    def __str__(self) -> str:
        return f"{self.update} {self.task} {self.strategy} seed {self.seed}"

    @property
    def done(self) -> bool:
        """Whether it has results."""
        return self.status == "done"

    @property
    def files(self) -> tuple[str, ...]:
        """The predictions of a finished cell: of old, new and the candidate."""
        paths = (self.predictions_old, self.predictions_new, self.predictions)
        return tuple(path for path in paths if path is not None)

    @property
    def is_new(self) -> bool:
        """Whether the candidate is the new model itself, as with plain retraining."""
        return self.done and self.predictions == self.predictions_new


def measured(found: Comparison) -> dict[str, Any]:
    """The fields of a CellRecord that its prediction files determine; the last model compared is the candidate."""
    compared = {"": found.flips_by_model[-1][1], "_new": found.comparison}
    names = ("nfr", "nfr_mc", "pfr")
    rates = {name + suffix: getattr(flips, name).value for suffix, flips in compared.items() for name in names}
    scores = {"old_score": found.old.score, "new_score": found.new.score, "score": found.models[-1].score}
    return {"metric": found.metric, "kind": found.kind, "n": found.n, **scores, **rates}


def as_csv(head: Iterable[str], records: Iterable[Mapping[str, Any]]) -> str:
    """The fields of each record that `head` names, as CSV; empty where None or lacking."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(head), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def cells_text(cells: Iterable[CellRecord]) -> str:
    """What cells.csv holds of these cells."""
    return as_csv(CellRecord.model_fields, (cell.model_dump() for cell in cells))


def read_cells(out: Path) -> list[CellRecord]:
    """The cells of the study in folder `out`, in the order of the file.

    Raises DataError, naming row and column, where cells.csv is missing, not as in docs/study.md, or has a cell twice.
    """
    path = out / CELLS
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the folder that `stillright study` wrote")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in CellRecord.model_fields if name not in {*MAY_LACK, *(reader.fieldnames or ())}]
        if missing:
            raise DataError(f"{path}: no column {', '.join(missing)}; run the study again to rewrite it")
        cells = [_cell(row, f"{path}: row {i}") for i, row in enumerate(reader, start=1)]
    if not cells:
        raise DataError(f"{path}: no cells; run the study again to rewrite it")
    _refuse_twice(cells, path)
    return cells


def _cell(row: dict[str, Any], place: str) -> CellRecord:
    try:
        cell = CellRecord.model_validate({name: value for name, value in row.items() if value != ""})
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{place}: {first['loc'][0]}: {first['msg']} ({first['input']!r:.60})") from None
    lacking = [name for name, value in cell if value is None and name not in MAY_BE_EMPTY]
    if cell.done and lacking:
        raise DataError(f"{place}: its status is done, but {', '.join(lacking)} is empty; run the study again")
    return cell


def _refuse_twice(cells: list[CellRecord], path: Path) -> None:
    known: dict[tuple[str, str, str, int], CellRecord] = {}
    for cell in cells:
        if known.setdefault((cell.update, cell.task, cell.strategy, cell.seed), cell) is not cell:
            raise DataError(f"{path}: {cell} is there twice; a cell has one row")
