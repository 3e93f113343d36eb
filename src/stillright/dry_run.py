"""What a command will cost, before anything is computed: --dry-run. Loads no weights, writes nothing.

Its functions are called as those of pipeline.py are, and raise what these raise before their first stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from stillright.announcement import unused_weights, warn_of_few_rows
from stillright.config import UpdateConfig
from stillright.events import for_programs, say
from stillright.pipeline import checked_data, compat_alone
from stillright.stages.cost import StageCost, total
from stillright.stages.data import Data
from stillright.stages.stage import Stage
from stillright.stages.update import fitted, models_of, predictions_of

COLUMNS = ("samples", "tokens", "steps", "disk", "disk meanwhile")
NO_COUNTS: Mapping[str, int] = {}
SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))


def run_update(config: UpdateConfig, console: Console) -> None:
    """Prints what all that update.yaml asks for will cost."""
    data = checked_data(config)
    warn_of_few_rows(data, console)
    if note := unused_weights(data):
        say(console, note, "settings")
    _print(data, stages_of(config), console)


def fit_alone(config: UpdateConfig, out: Path, console: Console) -> None:
    """Prints what the task adapter of `config.new` will cost."""
    data = Data(config)
    _print(data, [fitted(data.new, config, out.name)], console)


def align_alone(config: UpdateConfig, out: Path, console: Console) -> None:
    """Prints what the compat adapter for `config.old` and `config.new` will cost."""
    data = Data(config)
    _print(data, [compat_alone(data, out.name)], console)


def stages_of(config: UpdateConfig) -> list[Stage]:
    """Those that make the models of an update, then the predictions."""
    models = models_of(config)
    made = [model for model in models.values() if isinstance(model, Stage)]
    return [*dict.fromkeys([*made, *predictions_of(models, config)])]  # a log of old's answers is both


def costs_of(stages: Iterable[Stage], data: Data) -> list[StageCost]:
    """What stages that read these data will cost, each once and after all that it needs."""
    found: dict[Stage, StageCost] = {}

    def visit(stage: Stage) -> None:
        for need in stage.needs.values():
            visit(need)
        if stage not in found:
            found[stage] = stage.cost(data)

    for stage in stages:
        visit(stage)
    return [*found.values()]


def _print(data: Data, stages: Sequence[Stage], console: Console) -> None:
    for stage in stages:
        stage.refuse_missing_reporters()
    costs = costs_of(stages, data)
    rows = [Row(cost) for cost in [*costs, total("in total", costs)]]
    print_costs("what it will cost; nothing is computed or written", rows, console)
    line = (
        "Tokens are without padding and validation, predictions take little disk, and finished stages are counted too; "
        "see docs/dry-run.md."
    )
    say(console, line, "cost")


class Row(NamedTuple):
    """A cost, and counts that stand before it in a table, by name."""

    cost: StageCost
    counts: Mapping[str, int] = NO_COUNTS


def print_costs(title: str, rows: Sequence[Row], console: Console) -> None:
    """A table, or for programs one event a row, with disk in bytes. The counts of all rows have the same names."""
    if (log := for_programs(console)) is not None:
        for cost, counts in rows:
            log.event("cost", "info", f"{cost.label}: cost", **{"stage": cost.label, **counts, **_plain(cost)})
        return
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(("stage", *rows[0].counts, *COLUMNS)):
        table.add_column(column, justify="right" if i else "left")
    for cost, counts in rows:
        table.add_row(cost.label, *map(str, counts.values()), *cells(cost))
    console.print(table)


def _plain(cost: StageCost) -> dict[str, int]:
    """What `cells` has, as numbers: disk in bytes."""
    names = [column.replace(" ", "_") for column in COLUMNS]
    return dict(zip(names, (cost.samples, cost.tokens, cost.steps, cost.kept, cost.temporary), strict=True))


def cells(cost: StageCost) -> list[str]:
    """A cost as the fields of a table; nothing for 0."""
    counts = [f"{count:,}" if count else "" for count in (cost.samples, cost.tokens, cost.steps)]
    return [*counts, size(cost.kept), size(cost.temporary)]


def size(count: int) -> str:
    """Bytes with three digits, in the largest unit that gives at least 1; nothing for 0."""
    if not count:
        return ""
    unit, name = next(pair for pair in SIZES if count >= pair[0])
    scaled = count / unit
    return f"{scaled:,.0f} {name}" if scaled >= 100 else f"{scaled:.3g} {name}"
