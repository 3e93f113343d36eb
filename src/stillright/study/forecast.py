"""What a study has left to do: stages of each kind, and what they will cost. Trains nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from stillright.config import StudyConfig
from stillright.dry_run import costs_of
from stillright.errors import ConfigError, StillrightError
from stillright.estimate.rate import OTHER, Rate
from stillright.estimate.stage_cost import StageCost
from stillright.estimate.table import duration, on_accelerator, size
from stillright.stages.stage import Stage
from stillright.study.applicability import misfit
from stillright.study.graph import Graph, closure
from stillright.study.matrix import Cell, cells_of
from stillright.study.schedule import error_line
from stillright.study.shared_data import SharedData
from stillright.study.store import Store

COLUMNS = ("stage", "all", "done", "steps to do", "tokens to do", "disk", "GPU memory", "GPU time")


class Forecast(NamedTuple):
    """The stages of the cells that can be planned, each once; by reason, how many cells cannot."""

    stages: list[Stage]
    skipped: Counter[str]  # not applicable
    failed: Counter[str]


def print_forecast(config: StudyConfig, source: str, console: Console) -> int:
    """Prints why some cells cannot be planned, then how many stages of each kind there are, how many are done, and what
    the others will train and cost. Returns how many cells an error keeps from being planned.

    Raises ConfigError as `run_study` does, and where errors leave no cell to plan.
    """
    shared, store = SharedData(), Store(config.out.resolve() / "store")
    forecast = _forecast(cells_of(config, source), shared, store)
    for what, reasons in (("not applicable", forecast.skipped), ("cannot be planned", forecast.failed)):
        for reason, cells in reasons.items():
            console.print(f"{what} ({cells} cells): {reason}", highlight=False, markup=False, soft_wrap=True)
    if forecast.stages:
        console.print(_table(forecast.stages, shared, store))
        for note in _notes(_left(forecast.stages, shared, store)):
            console.print(note, highlight=False)
    elif forecast.failed:
        raise ConfigError(f"{source}: no cell can be planned, see above; fix the cause and try again")
    return forecast.failed.total()


def _forecast(cells: list[Cell], shared: SharedData, store: Store) -> Forecast:
    graph, wanted = Graph(cells), list[Stage]()
    skipped, failed = Counter[str](), Counter[str]()
    for cell in cells:
        try:
            found = graph.stages_of(cell).predictions
            reason = misfit(found[-1], shared)
            if reason is None:
                _left(closure(found), shared, store)  # raises where what they read is wrong
                wanted += found
            else:
                skipped[reason] += 1
        except StillrightError as error:
            failed[error_line(error)] += 1
    return Forecast(closure(wanted), skipped, failed)


def _left(stages: Sequence[Stage], shared: SharedData, store: Store) -> list[StageCost]:
    """Costs of the stages that are still to be built."""
    left = [stage for stage in stages if not store.is_done(stage)]
    return [cost for stage in left for cost in costs_of([stage], shared.data(stage.config), accelerator=True)]


def _table(stages: Sequence[Stage], shared: SharedData, store: Store) -> Table:
    table = Table(title="stages; nothing is trained or written", title_justify="left")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "stage" else "right")
    for kind in dict.fromkeys(stage.kind for stage in stages):
        of_kind = [stage for stage in stages if stage.kind == kind]
        done = sum(map(store.is_done, of_kind))
        table.add_row(kind, str(len(of_kind)), str(done), *_cells(_left(of_kind, shared, store)))
    return table


def _cells(left: Sequence[StageCost]) -> list[str]:
    trained = [f"{sum(cost.steps or 0 for cost in left):,}", f"{sum(cost.tokens for cost in left):,}"]
    return [
        *(trained if any(cost.steps for cost in left) else ("", "")),
        size(sum(cost.kept or 0 for cost in left)),
        size(max((cost.memory for cost in left), default=0)),
        duration(Rate(*OTHER).seconds(sum(cost.flops for cost in left))) if left else "",
    ]


def _notes(left: Sequence[StageCost]) -> list[str]:
    if not left:
        return ["Nothing is left to do."]
    kept, meanwhile = sum(cost.kept or 0 for cost in left), max(cost.temporary for cost in left)
    return [
        f"What is left takes {size(kept)} on disk, and up to {size(meanwhile)} more per training while it runs.",
        on_accelerator(sum(cost.flops for cost in left), max(cost.memory for cost in left)),
        "Steps, tokens and disk are counted; memory and time are estimates, see docs/estimate.md.",
    ]
