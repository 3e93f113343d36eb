"""What has become of every cell so far, and cells.csv, which always shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from stillright.comparison import compare
from stillright.errors import StillrightError
from stillright.folder.mark import fingerprint
from stillright.folder.workspace import Workspace
from stillright.paper.cells_csv import CELLS, CellRecord, Status, cells_text, measured
from stillright.stages.stage import Stage
from stillright.study.applicability import misfit
from stillright.study.graph import CellStages, Graph
from stillright.study.matrix import Cell
from stillright.study.schedule import Outcome, error_line
from stillright.study.shared_data import SharedData
from stillright.study.store import Store


class Board:
    """The records of all cells, in the order of the matrix.

    on_close: called with the record of every cell that is closed from now on.
    """

    def __init__(self, cells: list[Cell], store: Store, workspace: Workspace) -> None:
        self.cells = cells
        self.store = store
        self.workspace = workspace
        self.records = [unfinished(cell, "pending") for cell in cells]
        self.stages: dict[int, CellStages] = {}  # of the cells that could be planned
        self.on_close: Callable[[CellRecord], None] | None = None
        self._errors: dict[str, str | None] = {}  # of prediction stages that were tried, or were done before
        self._data = SharedData()
        self._misfits: dict[str, str | None] = {}

    def plan(self) -> list[Stage]:
        """The prediction stages that open cells wait for. Closes the cells that are done, or cannot be."""
        graph = Graph(self.cells)
        for i, cell in enumerate(self.cells):
            try:
                stages = graph.stages_of(cell)
                self._note_done(stages)  # raises where a base is missing, before the cell counts as planned
                self.stages[i] = stages
                if not self._close(i) and (reason := self._misfit(cell, stages)) is not None:
                    self._set(i, unfinished(cell, "skipped", reason))
            except StillrightError as error:
                self._set(i, unfinished(cell, "failed", error_line(error)))
        self.write()
        return [stage for i in self._open() for stage in self.stages[i].predictions]

    def predictions(self) -> list[Stage]:
        """Those of all cells that could be planned."""
        return [stage for stages in self.stages.values() for stage in stages.predictions]

    def record(self, outcome: Outcome) -> None:
        """Notes the outcome of a stage; closes the cells that waited for it alone, and then writes cells.csv."""
        self._errors[outcome.stage.key] = outcome.error
        closed = [self._close(i) for i in self._open()]
        if any(closed):
            self.write()

    def counts(self) -> Counter[str]:
        """How many cells have each status."""
        return Counter(record.status for record in self.records)

    def write(self) -> None:
        """Writes cells.csv, whole or not at all."""
        self.workspace.write(CELLS, cells_text(self.records))

    def _open(self) -> list[int]:
        return [i for i, record in enumerate(self.records) if record.status == "pending"]

    def _note_done(self, stages: CellStages) -> None:
        for stage in stages.predictions:
            if stage.key not in self._errors and self.store.is_done(stage):
                self._errors[stage.key] = None

    def _misfit(self, cell: Cell, stages: CellStages) -> str | None:
        """The same for all seeds, so it is found once."""
        key = fingerprint(cell.own.model_dump(exclude={"seed", "fit_seed", "align_seed"}) | {"recipe": cell.recipe})
        if key not in self._misfits:
            self._misfits[key] = misfit(stages.candidate, self._data)
        return self._misfits[key]

    def _close(self, i: int) -> bool:
        """Closes a cell whose predictions have all been tried."""
        cell, stages = self.cells[i], self.stages[i]
        if any(stage.key not in self._errors for stage in stages.predictions):
            return False
        errors = [self._errors[stage.key] for stage in stages.predictions]
        reason = next((error for error in errors if error is not None), None)
        self._set(i, self._done(cell, stages) if reason is None else unfinished(cell, "failed", reason))
        return True

    def _done(self, cell: Cell, stages: CellStages) -> CellRecord:
        try:
            return finished(cell, stages, self.store)
        except StillrightError as error:
            return unfinished(cell, "failed", error_line(error))

    def _set(self, i: int, record: CellRecord) -> None:
        self.records[i] = record
        if self.on_close is not None:
            self.on_close(record)


def unfinished(cell: Cell, status: Status, reason: str | None = None) -> CellRecord:
    """The record of a cell without results."""
    return CellRecord(
        update=cell.update,
        old=cell.old,
        new=cell.new,
        task=cell.task,
        metric=cell.own.task.metric,
        strategy=cell.strategy,
        method=cell.recipe.baseline or cell.own.strategy.mask,
        seed=cell.seed,
        status=status,
        reason=reason,
    )


def finished(cell: Cell, stages: CellStages, store: Store) -> CellRecord:
    """The record of a cell whose predictions are there. Raises DataError where they cannot be compared."""
    old, new, candidate = files = [store.path(stage) for stage in stages.predictions]
    found = compare(old, new, () if candidate == new else (candidate,), allow=["identical"])
    columns = ("predictions_old", "predictions_new", "predictions")
    paths = [file.relative_to(store.root.parent).as_posix() for file in files]
    costs = {
        "seconds": round(sum(store.seconds(stage) for stage in stages.own), 3),
        "tokens": sum(store.tokens(stage) for stage in stages.own),
    }
    follows = {name: _first(store.imitation(stage, name) for stage in stages.own) for name in ("slope", "r2")}
    known = {**measured(found), **dict(zip(columns, paths, strict=True)), **costs, **follows}
    return unfinished(cell, "done").model_copy(update=known)


def _first(values: Iterable[float | None]) -> float | None:
    """The first that is known."""
    return next((value for value in values if value is not None), None)
