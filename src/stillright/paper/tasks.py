"""The tasks of a study, each with the one kind and metric that all its finished cells have."""

from __future__ import annotations

from typing import NamedTuple

from stillright.errors import DataError
from stillright.records import Kind
from stillright.study.cells_csv import CELLS, CellRecord


class TaskSummary(NamedTuple):
    """A task as its finished cells describe it; kind and metric are None where none has finished."""

    name: str
    kind: Kind | None
    metric: str | None

    def __str__(self) -> str:
        return f"{self.name} ({self.metric})" if self.metric else self.name


def tasks_of(cells: list[CellRecord]) -> dict[str, TaskSummary]:
    """Tasks by name, in order of appearance. Raises DataError where a task's cells differ in kind or metric."""
    found = {}
    for name in dict.fromkeys(cell.task for cell in cells):
        given = {(cell.kind, cell.metric) for cell in cells if cell.task == name and cell.done}
        if len(given) > 1:
            named = ", ".join(sorted(f"{metric} ({kind})" for kind, metric in given))
            raise DataError(
                f"{CELLS}: task {name} has cells of several metrics, {named}; give each metric its own task"
            )
        found[name] = TaskSummary(name, *given.pop()) if given else TaskSummary(name, None, None)
    return found
