"""What a command will cost, before anything is computed: --dry-run. Loads no weights, writes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from rich.console import Console

from stillright.config import UpdateConfig
from stillright.estimate.rate import measured_rate
from stillright.estimate.stage_cost import Device, StageCost
from stillright.estimate.table import print_costs
from stillright.pipeline import checked_data
from stillright.stages.data import Data
from stillright.stages.stage import Stage
from stillright.stages.update import aligned, answers_of, fitted, models_of


def stages_of(config: UpdateConfig) -> list[Stage]:
    """All of `stillright run`, each stage once, after those it needs."""
    models = models_of(config)
    answers = [answers_of(model, config, name) for name, model in models.items()]
    made = [model for model in models.values() if isinstance(model, Stage)]
    return [stage for model in made for stage in (*model.teachers.values(), model)] + list[Stage](answers)


def print_update(config: UpdateConfig, console: Console) -> None:
    """What `stillright run` will cost. Raises what it would raise before its first stage."""
    _print(checked_data(config), stages_of(config), console)


def print_fit(config: UpdateConfig, name: str, console: Console) -> None:
    """What the task adapter of `config.new` will cost."""
    data = Data(config)
    _print(data, [fitted(data.new, config, name)], console)


def print_align(config: UpdateConfig, name: str, console: Console) -> None:
    """What the compat adapter for `config.old` and `config.new` will cost, which name their task adapters."""
    data = Data(config)
    data.refuse_lacking_adapters()
    data.refuse_misfits(config.strategy)
    stage = aligned(data.old, data.new, config, name)
    _print(data, [*stage.teachers.values(), stage], console)


def costs_of(stages: Sequence[Stage], data: Data, accelerator: bool) -> list[StageCost]:
    """What stages that read these data will cost, in one process."""
    device = Device(accelerator, data.dtype.itemsize)
    return [cost for stage in stages if (cost := stage.cost(data, device)) is not None]


def _print(data: Data, stages: Sequence[Stage], console: Console) -> None:
    here, elsewhere = (costs_of(stages, data, accelerator) for accelerator in (torch.accelerator.is_available(), True))
    dtype = str(data.dtype).removeprefix("torch.")
    print_costs(here, elsewhere, dtype, measured_rate(data.dtype), console)
