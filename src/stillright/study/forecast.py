"""What a study has left to do: stages of each kind, and the steps and tokens of those that train. Trains nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from stillright.config import StudyConfig
from stillright.data import Data
from stillright.errors import ConfigError, StillrightError
from stillright.inputs import text_inputs
from stillright.study.applicability import misfit
from stillright.study.matrix import Cell, cells_of
from stillright.study.schedule import error_line
from stillright.study.shared_data import SharedData
from stillright.study.stages import Graph, Stage
from stillright.study.store import Store
from stillright.training.choice.texts import ChoiceText
from stillright.training.loop import optimizer_steps
from stillright.training.text import Text
from stillright.workspace import fingerprint

TRAINED = ("fit", "align")


class Work(NamedTuple):
    """What one training takes."""

    steps: int  # optimizer steps
    tokens: int  # all epochs, without padding and validation


class Forecast(NamedTuple):
    """The stages of the cells that can be planned, each once; by reason, how many cells cannot."""

    stages: list[Stage]
    skipped: Counter[str]  # not applicable
    failed: Counter[str]


def print_forecast(config: StudyConfig, source: str, console: Console) -> int:
    """Prints why some cells cannot be planned, then how many stages of each kind there are, how many are done, and what
    the others will train. Returns how many cells an error keeps from being planned.

    Raises ConfigError as `run_study` does, and where errors leave no cell to plan.
    """
    sizes, store = Sizes(SharedData()), Store(config.out.resolve() / "store")
    forecast = _forecast(cells_of(config, source), sizes, store)
    for what, reasons in (("not applicable", forecast.skipped), ("cannot be planned", forecast.failed)):
        for reason, cells in reasons.items():
            console.print(f"{what} ({cells} cells): {reason}", highlight=False, markup=False, soft_wrap=True)
    if forecast.stages:
        console.print(_table(forecast.stages, sizes, store))
    elif forecast.failed:
        raise ConfigError(f"{source}: no cell can be planned, see above; fix the cause and try again")
    return forecast.failed.total()


def _forecast(cells: list[Cell], sizes: Sizes, store: Store) -> Forecast:
    graph, wanted = Graph(cells), list[Stage]()
    skipped, failed = Counter[str](), Counter[str]()
    for cell in cells:
        try:
            found = graph.stages_of(cell).predictions
            reason = misfit(graph.distilled(cell), sizes.shared)
            if reason is None:
                sizes.of_all(_left_to_train(_closure(found), store))  # raises where what they read is wrong
                wanted += found
            else:
                skipped[reason] += 1
        except StillrightError as error:
            failed[error_line(error)] += 1
    return Forecast(_closure(wanted), skipped, failed)


def _left_to_train(stages: Sequence[Stage], store: Store) -> list[Stage]:
    return [stage for stage in stages if stage.kind in TRAINED and not store.is_done(stage)]


def _table(stages: Sequence[Stage], sizes: Sizes, store: Store) -> Table:
    table = Table(title="stages; nothing is trained or written", title_justify="left")
    for name in ("stage", "all", "done", "steps to do", "tokens to do"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for kind in dict.fromkeys(stage.kind for stage in stages):
        of_kind = [stage for stage in stages if stage.kind == kind]
        done = sum(map(store.is_done, of_kind))
        work = sizes.of_all(_left_to_train(of_kind, store))
        cells = [f"{work.steps:,}", f"{work.tokens:,}"] if kind in TRAINED else ["", ""]
        table.add_row(kind, str(len(of_kind)), str(done), *cells)
    return table


def _closure(wanted: Sequence[Stage]) -> list[Stage]:
    found: dict[str, Stage] = {}
    left = list(wanted)
    while left:
        stage = left.pop()
        if stage.key not in found:
            found[stage.key] = stage
            left += stage.needs.values()
    return sorted(found.values(), key=lambda stage: stage.kind)


class Sizes:
    """Steps and tokens of trainings; texts are tokenized once for all that share them."""

    def __init__(self, shared: SharedData) -> None:
        self.shared = shared
        self._texts: dict[str, Sequence[Text] | Sequence[ChoiceText]] = {}

    def of_all(self, stages: Iterable[Stage]) -> Work:
        """Steps and tokens of stages that train. Raises StillrightError where what they read is wrong."""
        work = [self._of(stage) for stage in stages]
        return Work(sum(each.steps for each in work), sum(each.tokens for each in work))

    def _of(self, stage: Stage) -> Work:
        config, texts = stage.config.training, self._read(stage)
        return Work(optimizer_steps(config, len(texts)), config.epochs * sum(len(text.ids) for text in texts))

    def _read(self, stage: Stage) -> Sequence[Text] | Sequence[ChoiceText]:
        trees = stage.kind == "align" and stage.config.strategy.is_choice
        key = fingerprint({**text_inputs(stage.config), "base": stage.config.new, "kind": stage.kind, "trees": trees})
        if key not in self._texts:
            self._texts[key] = _texts(stage, self.shared.data(stage.config))
        return self._texts[key]


def _texts(stage: Stage, data: Data) -> Sequence[Text] | Sequence[ChoiceText]:
    """What a stage trains on."""
    base = data.new.base
    if stage.kind != "align":
        return data.texts(base).train
    return (data.aligned_choices if stage.config.strategy.is_choice else data.aligned_texts)(base).train
