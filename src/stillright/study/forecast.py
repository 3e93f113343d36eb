"""What a study has left to do: stages of each kind, and the steps and tokens of those that train. Trains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from stillright.config import StudyConfig
from stillright.data import Data
from stillright.errors import StillrightError
from stillright.inputs import text_inputs
from stillright.study.fits import misfit
from stillright.study.graph import Graph, Stage
from stillright.study.matrix import cells_of
from stillright.study.reading import Reading
from stillright.study.schedule import said
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


def print_forecast(config: StudyConfig, source: str, console: Console) -> None:
    """Prints how many stages of each kind there are, how many are done, and what the others will train.

    Raises ConfigError as `run_study` does.
    """
    reading, store = Reading(), Store(config.out.resolve() / "store")
    found, sizes = _stages(config, source, reading, console), Sizes(reading)
    table = Table(title="stages; nothing is trained or written", title_justify="left")
    for name in ("stage", "all", "done", "steps to do", "tokens to do"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for kind in dict.fromkeys(stage.kind for stage in found):
        of_kind = [stage for stage in found if stage.kind == kind]
        left = [stage for stage in of_kind if not store.is_done(stage)]
        cells = ["", ""]
        if kind in TRAINED:
            work = [sizes.of(stage) for stage in left]
            cells = [f"{sum(each.steps for each in work):,}", f"{sum(each.tokens for each in work):,}"]
        table.add_row(kind, str(len(of_kind)), str(len(of_kind) - len(left)), *cells)
    console.print(table)


def _stages(config: StudyConfig, source: str, reading: Reading, console: Console) -> list[Stage]:
    """All stages of the cells that can be, each once; of other cells the reason is printed."""
    cells = cells_of(config, source)
    graph = Graph(cells)
    wanted: list[Stage] = []
    for cell in cells:
        try:
            reason = misfit(graph.distilled(cell), reading)
            if reason is None:
                wanted += graph.stages_of(cell).predictions
        except StillrightError as error:
            reason = said(error)
        if reason is not None:
            console.print(f"{cell}: {reason}", highlight=False, markup=False)
    return _closure(wanted)


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
        self._reading = reading
        self._texts: dict[str, Sequence[Text] | Sequence[ChoiceText]] = {}

    def of(self, stage: Stage) -> Work:
        """Steps and tokens of a stage that trains."""
        config, texts = stage.config.training, self._read(stage)
        return Work(optimizer_steps(config, len(texts)), config.epochs * sum(len(text.ids) for text in texts))

    def _read(self, stage: Stage) -> Sequence[Text] | Sequence[ChoiceText]:
        trees = stage.kind == "align" and stage.config.strategy.is_choice
        key = fingerprint({**text_inputs(stage.config), "base": stage.config.new, "kind": stage.kind, "trees": trees})
        if key not in self._texts:
            self._texts[key] = _texts(stage, self._reading.data(stage.config))
        return self._texts[key]


def _texts(stage: Stage, data: Data) -> Sequence[Text] | Sequence[ChoiceText]:
    """What a stage trains on."""
    base = data.new.base
    if stage.kind != "align":
        return data.texts(base).train
    return (data.aligned_choices if stage.config.strategy.is_choice else data.aligned_texts)(base).train
