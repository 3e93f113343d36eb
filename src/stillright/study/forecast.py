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
from stillright.study.reading import Reading
from stillright.study.schedule import said
from stillright.study.stages import Graph, Stage
from stillright.study.store import Store
from stillright.training.choice.texts import ChoiceText
from stillright.training.loop import optimizer_steps
from stillright.training.text import Text
from stillright.workspace import fingerprint

TRAINED = ("fit", "align")


class Work(NamedTuple):
    """Of one training."""

    steps: int  # optimizer steps
    tokens: int  # all epochs, without padding and validation


class Plan(NamedTuple):
    """The stages of the cells that can be, each once; of the others how many there are, by reason."""

    stages: list[Stage]
    skipped: Counter[str]  # not applicable
    failed: Counter[str]


def print_forecast(config: StudyConfig, source: str, console: Console) -> int:
    """Prints how many stages of each kind there are, how many are done, and what the others will train; before it why
    other cells cannot be. Returns how many cells an error keeps from being planned.

    Raises ConfigError as `run_study` does, and where errors leave no cell to plan.
    """
    sizes, store = Sizes(Reading()), Store(config.out.resolve() / "store")
    plan = _plan(cells_of(config, source), sizes, store)
    for what, reasons in (("not applicable", plan.skipped), ("cannot be planned", plan.failed)):
        for reason, cells in reasons.items():
            console.print(f"{what} ({cells} cells): {reason}", highlight=False, markup=False, soft_wrap=True)
    if plan.stages:
        console.print(_table(plan.stages, sizes, store))
    elif plan.failed:
        raise ConfigError(f"{source}: no cell can be planned, see above; mend the cause and try again")
    return plan.failed.total()


def _plan(cells: list[Cell], sizes: Sizes, store: Store) -> Plan:
    graph, wanted = Graph(cells), list[Stage]()
    skipped, failed = Counter[str](), Counter[str]()
    for cell in cells:
        try:
            found = graph.stages_of(cell).predictions
            reason = misfit(graph.distilled(cell), sizes.reading)
            if reason is None:
                sizes.of_all(_left_to_train(_closure(found), store))  # what they read may be wrong
                wanted += found
            else:
                skipped[reason] += 1
        except StillrightError as error:
            failed[said(error)] += 1
    return Plan(_closure(wanted), skipped, failed)


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
    """What trainings read; texts are cut once for all that share them."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
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
            self._texts[key] = _texts(stage, self.reading.data(stage.config))
        return self._texts[key]


def _texts(stage: Stage, data: Data) -> Sequence[Text] | Sequence[ChoiceText]:
    """What a stage trains on."""
    base = data.new.base
    if stage.kind != "align":
        return data.texts(base).train
    return (data.aligned_choices if stage.config.strategy.is_choice else data.aligned_texts)(base).train
