"""What a command will cost, before anything is computed: --dry-run. Loads no weights, writes nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from rich.console import Console

from stillright.config import UpdateConfig
from stillright.estimate.plan import Plan, StageCost
from stillright.estimate.rate import measured_rate
from stillright.estimate.table import print_plan
from stillright.stages.data import Data

__all__ = ["Plan", "StageCost", "print_align", "print_fit", "print_update"]


def print_update(config: UpdateConfig, console: Console) -> None:
    """What `stillright run` will cost. Raises what it would raise before its first stage."""
    data = Data(config)
    if config.align:
        data.refuse_misfits(config.strategy)
    _print(data, Plan.update, console)


def print_fit(config: UpdateConfig, console: Console) -> None:
    """What the task adapter of `config.new` will cost."""
    _print(Data(config), lambda plan: [plan.fit("fit", plan.data.new)], console)


def print_align(config: UpdateConfig, console: Console) -> None:
    """What the compat adapter for `config.old` and `config.new` will cost, which name their task adapters."""
    data = Data(config)
    data.refuse_lacking_adapters()
    data.refuse_misfits(config.strategy)
    _print(data, Plan.align, console)


def _print(data: Data, stages: Callable[[Plan], list[StageCost]], console: Console) -> None:
    here = stages(Plan(data, torch.accelerator.is_available()))
    elsewhere = stages(Plan(data, accelerator=True))
    dtype = str(data.dtype).removeprefix("torch.")
    print_plan(here, elsewhere, dtype, measured_rate(data.dtype), console)
