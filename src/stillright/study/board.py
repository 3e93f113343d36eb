"""What has come of every cell so far, and cells.csv, which always says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from stillright.errors import StillrightError
from stillright.study.csv_text import as_csv
from stillright.study.fits import misfit
from stillright.study.graph import CellStages, Graph, Stage
from stillright.study.matrix import Cell
from stillright.study.reading import Reading
from stillright.study.schedule import Outcome, said
from stillright.study.store import Store
from stillright.study.table import CellRow, done_row, open_row
from stillright.workspace import Workspace, fingerprint


class Board:
    """The rows of all cells, in the order of the matrix."""

    def __init__(self, cells: list[Cell], store: Store, workspace: Workspace) -> None:
        self.cells = cells
        self.store = store
        self.workspace = workspace
        self.rows: list[CellRow] = [open_row(cell) for cell in cells]
        self.stages: list[CellStages | None] = [None] * len(cells)
        self.closed = Callbacks()
        self._errors: dict[str, str | None] = {}  # of prediction stages that were tried, or were done before
        self._reading = Reading()
        self._misfits: dict[str, str | None] = {}

    def plan(self) -> list[Stage]:
        """The prediction stages that open cells wait for. Cells that are done, or cannot be, are closed now."""
        graph = Graph(self.cells)
        for i, cell in enumerate(self.cells):
            try:
                self.stages[i] = stages = graph.stages_of(cell)
                self._note_done(stages)
                if not self._close(i) and (reason := self._misfit(graph.distilled(cell))) is not None:
                    self._set(i, open_row(cell, "skipped", reason))
            except StillrightError as error:
                self._set(i, open_row(cell, "failed", said(error)))
        self.write()
        waiting = [stages for i, stages in self._open() if stages is not None]
        return [stage for stages in waiting for stage in stages.predictions]

    def record(self, outcome: Outcome) -> None:
        """Takes note of a stage; cells that waited for it alone are closed, and cells.csv is written."""
        self._errors[outcome.stage.key] = outcome.error
        closed = [self._close(i) for i, _ in self._open()]
        if any(closed):
            self.write()

    def counts(self) -> Counter[str]:
        """How many cells have each status."""
        return Counter(row.status for row in self.rows)

    def write(self) -> None:
        """cells.csv, whole or not at all."""
        self.workspace.write("cells.csv", as_csv([CellRow._fields, *self.rows]))

    def _open(self) -> list[tuple[int, CellStages | None]]:
        return [(i, self.stages[i]) for i, row in enumerate(self.rows) if row.status == "pending"]

    def _note_done(self, stages: CellStages) -> None:
        for stage in stages.predictions:
            if stage.key not in self._errors and self.store.is_done(stage):
                self._errors[stage.key] = None

    def _misfit(self, cell: Cell) -> str | None:
        """The same for all seeds, so it is found once."""
        key = fingerprint(cell.own.model_dump(exclude={"seed", "fit_seed", "align_seed"}) | {"recipe": cell.recipe})
        if key not in self._misfits:
            self._misfits[key] = misfit(cell, self._reading)
        return self._misfits[key]

    def _close(self, i: int) -> bool:
        """Closes a cell whose predictions have all been tried."""
        cell, stages = self.cells[i], self.stages[i]
        if stages is None or any(stage.key not in self._errors for stage in stages.predictions):
            return False
        errors = [self._errors[stage.key] for stage in stages.predictions]
        reason = next((error for error in errors if error is not None), None)
        self._set(i, self._done(cell, stages) if reason is None else open_row(cell, "failed", reason))
        return True

    def _done(self, cell: Cell, stages: CellStages) -> CellRow:
        try:
            return done_row(cell, stages, self.store)
        except StillrightError as error:
            return open_row(cell, "failed", said(error))

    def _set(self, i: int, row: CellRow) -> None:
        self.rows[i] = row
        self.closed(row)


class Callbacks:
    """Who wants to know of closed cells."""

    def __init__(self) -> None:
        self._called: list[Callable[[CellRow], None]] = []

    def add(self, callback: Callable[[CellRow], None]) -> None:
        """Calls `callback` with the row of every cell that is closed from now on."""
        self._called.append(callback)

    def __call__(self, row: CellRow) -> None:
        for callback in self._called:
            callback(row)
