"""What a study has left to do: stages of each kind, and what they will cost. Trains nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from rich.console import Console

from stillright.config import StudyConfig
from stillright.dry_run import Row, print_costs
from stillright.errors import ConfigError, StillrightError
from stillright.events import say
from stillright.stages.cost import StageCost, total
from stillright.stages.stage import Stage
from stillright.study.applicability import misfit
from stillright.study.graph import Graph, closure
from stillright.study.matrix import Cell, cells_of
from stillright.study.schedule import error_line
from stillright.study.shared_data import SharedData
from stillright.study.store import Store


class Forecast(NamedTuple):
    """The stages of the cells that can be planned, each once; by reason, how many cells cannot."""

    stages: list[Stage]
    left: dict[str, StageCost]  # by key, of the stages that are still to be built
    skipped: Counter[str]  # not applicable
    failed: Counter[str]


def print_forecast(config: StudyConfig, source: str, console: Console) -> int:
    """Prints why some cells cannot be planned, then how many stages of each kind there are, how many are done, and what
    the others will train and cost. Returns how many cells an error keeps from being planned.

    Raises ConfigError as `run_study` does, and where errors leave no cell to plan.
    """
    forecast = _forecast(cells_of(config, source), Store(config.out.resolve() / "store"))
    for what, reasons in (("not applicable", forecast.skipped), ("cannot be planned", forecast.failed)):
        for reason, count in reasons.items():
            say(console, f"{what} ({count} cells): {reason}", "cells", soft_wrap=True, cells=count, reason=reason)
    if forecast.stages:
        print_costs("stages; nothing is trained or written", list(_rows(forecast)), console)
        say(console, "What is not done will cost this; see docs/dry-run.md.", "cost")
    elif forecast.failed:
        raise ConfigError(f"{source}: no cell can be planned, see above; fix the cause and try again")
    return forecast.failed.total()


def _forecast(study: list[Cell], store: Store) -> Forecast:
    graph, shared = Graph(study), SharedData()
    wanted, left = list[Stage](), dict[str, StageCost]()
    skipped, failed = Counter[str](), Counter[str]()
    for cell in study:
        try:
            found = graph.stages_of(cell).predictions
            if (reason := misfit(found[-1], shared)) is not None:
                skipped[reason] += 1
                continue
            for stage in closure(found):
                if stage.key not in left and not store.is_done(stage):
                    stage.refuse_missing_reporters()
                    left[stage.key] = stage.cost(shared.data(stage.config))  # raises where what it reads is wrong
            wanted += found
        except StillrightError as error:
            failed[error_line(error)] += 1
    return Forecast(closure(wanted), left, skipped, failed)


def _rows(forecast: Forecast) -> Iterator[Row]:
    """One per kind of stages, then one for all."""
    for name in (*dict.fromkeys(stage.kind for stage in forecast.stages), "in total"):
        stages = [stage for stage in forecast.stages if name in (stage.kind, "in total")]
        left = [forecast.left[stage.key] for stage in stages if stage.key in forecast.left]
        yield Row(total(name, left), {"all": len(stages), "done": len(stages) - len(left)})
