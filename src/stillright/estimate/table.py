"""The stages and their costs as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from stillright.estimate.rate import OTHER, OTHER_BYTES, Rate
from stillright.estimate.stage_cost import StageCost

COLUMNS = ("stage", "samples", "tokens", "steps", "disk", "disk meanwhile", "memory", "operations", "time")
SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))
TIMES = ((3600, "h"), (60, "min"), (1, "s"))


def _readable(number: float, units: Sequence[tuple[float, str]]) -> str:
    """Three digits, in the largest unit that gives at least 1."""
    unit, name = next((pair for pair in units if number >= pair[0]), units[-1])
    scaled = number / unit
    return f"{scaled:,.0f} {name}" if scaled >= 100 else f"{scaled:.3g} {name}"


def size(count: int | None) -> str:
    """Bytes in a readable unit; "small" for None, nothing for 0."""
    if count is None:
        return "small"
    return _readable(count, SIZES) if count else ""


def duration(seconds: float) -> str:
    """Seconds in a readable unit."""
    return _readable(seconds, TIMES)


def _cells(stage: StageCost, rate: Rate) -> tuple[str, ...]:
    return (
        stage.name,
        f"{stage.samples:,}",
        f"{stage.tokens:,}",
        "" if stage.steps is None else f"{stage.steps:,}",
        size(stage.kept),
        size(stage.temporary),
        size(stage.memory),
        f"{stage.flops:.1e}",
        duration(rate.seconds(stage.flops)),
    )


def _notes(stages: Sequence[StageCost], elsewhere: Sequence[StageCost], dtype: str, rate: Rate) -> list[str]:
    """What the numbers mean, and their sums."""
    flops, there = (sum(stage.flops for stage in plan) for plan in (stages, elsewhere))
    kept, meanwhile = sum(stage.kept or 0 for stage in stages), max(stage.temporary for stage in stages)
    return [
        f"In total {size(kept)} on disk and {size(meanwhile)} more while running, {flops:.1e} operations, "
        f"{duration(rate.seconds(flops))}. Finished stages are counted too.",
        "Tokens (without padding and validation), steps and disk are counted; memory, operations and time are "
        "estimates, see docs/estimate.md.",
        f"Memory and time are for {dtype} on one device; time assumes {rate.reached:.0%} of the {rate.flops:.1e} "
        f"operations/s that matrix products reach on {rate.device} now.",
        on_accelerator(there, max(stage.memory for stage in elsewhere)),
    ]


def on_accelerator(flops: float, memory: int) -> str:
    """Time and memory on the accelerator that the paper's updates would run on."""
    other = Rate(*OTHER)
    lacking = "" if memory <= OTHER_BYTES else ", which is more than it has"
    return (
        f"On {other.device} at {other.reached:.0%} of its {other.flops:.1e} operations/s: "
        f"{duration(other.seconds(flops))}, and at most {size(memory)} of its {size(int(OTHER_BYTES))}{lacking}."
    )


def print_costs(
    stages: Sequence[StageCost], elsewhere: Sequence[StageCost], dtype: str, rate: Rate, console: Console
) -> None:
    """Prints the table and, below it, what its numbers mean.

    elsewhere: the same stages on an accelerator.
    """
    table = Table(title="what it will cost; nothing is computed or written", title_justify="left")
    for i, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if i else "left")
    for stage in stages:
        table.add_row(*_cells(stage, rate))
    console.print(table)
    for note in _notes(stages, elsewhere, dtype, rate):
        console.print(note, highlight=False)
