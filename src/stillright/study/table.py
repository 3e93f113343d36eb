"""cells.csv: one row a cell, the contract that tables and figures are made of (docs/study.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from stillright.comparison import compare
from stillright.study.graph import CellStages
from stillright.study.matrix import Cell
from stillright.study.store import Store

Status = Literal["done", "failed", "skipped", "pending"]
Number = float | None


class CellRow(NamedTuple):
    """A cell and what came of it; None is an empty field."""

    update: str
    old: str
    new: str
    task: str
    metric: str | None
    kind: str | None
    strategy: str
    method: str  # the baseline, or else the mask: what the strategy is, whatever it is called
    seed: int
    status: Status
    reason: str | None = None
    n: int | None = None
    old_score: Number = None
    new_score: Number = None
    score: Number = None
    nfr_new: Number = None
    nfr: Number = None
    nfr_mc_new: Number = None
    nfr_mc: Number = None
    pfr_new: Number = None
    pfr: Number = None
    predictions_old: str | None = None
    predictions_new: str | None = None
    predictions: str | None = None
    seconds: Number = None
    tokens: int | None = None


def open_row(cell: Cell, status: Status = "pending", reason: str | None = None) -> CellRow:
    """The row of a cell that has no results."""
    method = cell.recipe.baseline or cell.own.strategy.mask
    place = (cell.update, cell.old, cell.new, cell.task, cell.own.task.metric, None, cell.strategy, method, cell.seed)
    return CellRow(*place, status, reason)


def done_row(cell: Cell, stages: CellStages, store: Store) -> CellRow:
    """The row of a cell whose predictions are there. Raises DataError where they cannot be compared."""
    files = [store.path(stage) for stage in stages.predictions]
    is_new = stages.candidate.key == stages.new.key
    found = compare(files[0], files[1], files[2:] if not is_new else ())
    new = found.comparison
    candidate, score = (new, found.new.score) if is_new else (found.candidates[0].comparison, found.candidates[0].score)
    old_file, new_file, file = _relative(files, store)
    return open_row(cell, "done")._replace(
        metric=found.metric,
        kind=found.kind,
        n=found.n,
        old_score=found.old.score,
        new_score=found.new.score,
        score=score,
        nfr_new=new.nfr.value,
        nfr=candidate.nfr.value,
        nfr_mc_new=new.nfr_mc.value,
        nfr_mc=candidate.nfr_mc.value,
        pfr_new=new.pfr.value,
        pfr=candidate.pfr.value,
        predictions_old=old_file,
        predictions_new=new_file,
        predictions=file,
        seconds=round(sum(store.seconds(stage) for stage in stages.own), 3),
        tokens=sum(store.tokens(stage) for stage in stages.own),
    )


def _relative(files: list[Path], store: Store) -> list[str]:
    return [file.relative_to(store.root.parent).as_posix() for file in files]
