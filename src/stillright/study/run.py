"""One study, top to bottom: cells, the stages they need, their building, cells.csv."""

from __future__ import annotations

from rich.console import Console

from stillright import ranks
from stillright.config import StudyConfig
from stillright.errors import RunError
from stillright.pipeline import write_provenance
from stillright.study.board import Board
from stillright.study.matrix import cells_of
from stillright.study.schedule import run_here, todo
from stillright.study.show import shown, summary
from stillright.study.store import Store
from stillright.workspace import Workspace


def run_study(config: StudyConfig, source: str, console: Console) -> int:
    """Builds what is missing of a study and returns the number of cells that failed.

    source: the file it was read from, for messages.
    Raises ConfigError for settings that no cell can have, RunError where another run works in the folder.
    """
    if ranks.world() > 1:
        raise RunError("a study runs in one process; start it without a launcher, or spread it with --ray")
    cells = cells_of(config, source)
    with Workspace(config.out, console).locked() as workspace:
        write_provenance(workspace, "study.yaml", config.model_dump(mode="json", exclude_unset=True))
        board = Board(cells, Store(config.out.resolve() / "store"), workspace)
        with shown(board, console):
            stages = todo(board.plan(), board.store)
            for outcome in run_here(stages, board.store, console):
                board.record(outcome)
        summary(board, config.out, console)
    return board.counts()["failed"]
