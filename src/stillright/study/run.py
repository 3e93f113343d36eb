"""One study, top to bottom: cells, the stages they need, building these, cells.csv."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from stillright import ranks
from stillright.config import StudyConfig
from stillright.errors import MissingExtra, RunError
from stillright.events import say
from stillright.folder.workspace import Workspace
from stillright.paper import write_results
from stillright.pipeline import write_provenance
from stillright.stages.stage import Stage
from stillright.study.cell_status import Board
from stillright.study.cluster import Cluster, connect, joined, run_on_cluster
from stillright.study.graph import closure
from stillright.study.matrix import cells_of
from stillright.study.schedule import Outcome, run_here
from stillright.study.store import Store
from stillright.study.terminal import shown, summary


def run_study(config: StudyConfig, source: str, console: Console, address: str | None = None) -> int:
    """Builds what a study lacks and returns the number of cells that failed.

    source: the file it was read from, for messages. address: of a Ray cluster; None: stages run in this process.
    Raises ConfigError for settings that no cell can have, RunError where another run is using the folder.
    """
    if ranks.world() > 1:
        raise RunError("a study runs in one process; start it without a launcher, or spread it with --ray")
    cells = cells_of(config, source)
    with Workspace(config.out, console).locked() as workspace:
        write_provenance(workspace, "study.yaml", config.model_dump(mode="json", exclude_unset=True))
        board = Board(cells, Store(config.out.resolve() / "store"), workspace)
        with shown(board, console):
            stages = closure(board.plan(), board.store.is_done)
            for stage in stages:
                stage.refuse_missing_reporters()
            _name_strangers(board, console)
            for outcome in _outcomes(stages, config, address, board.store, console):
                board.record(outcome)
        summary(board, config.out, console)
        if board.counts()["done"]:
            _report(config.out, console)
    return board.counts()["failed"]


def _name_strangers(board: Board, console: Console) -> None:
    """Says how many results of earlier settings, or of versions with other keys, lie in the store unused."""
    strangers = board.store.strangers(closure(board.predictions()))
    if strangers:
        line = (
            f"{board.store.root}: {len(strangers)} stages belong to no cell of this study: they were made with other "
            "settings, data or strategies, or by a version that keyed them differently; delete them to free the space"
        )
        say(console, line, "strangers", folders=strangers)


def _report(out: Path, console: Console) -> None:
    """Tables, figures and findings of the cells that are done."""
    try:
        write_results(out)
    except MissingExtra as error:  # only figures are missing, as its message explains
        say(console, str(error), "written", "warning")
    else:
        say(console, f"written: {out}/tables, figures, findings.md and findings.csv", "written", folder=out)


def _outcomes(
    stages: list[Stage], config: StudyConfig, address: str | None, store: Store, console: Console
) -> Iterator[Outcome]:
    """The outcomes of the stages as they end, here or on a cluster."""
    if address is None or not stages:
        yield from run_here(stages, store, console)
        return
    ray = connect(address)
    try:
        say(console, joined(ray), "cluster")
        yield from run_on_cluster(stages, Cluster(ray, store, config.resources), console)
    finally:
        ray.shutdown()  # also ends stages that are still running
