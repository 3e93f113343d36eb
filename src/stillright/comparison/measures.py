"""What answers cost: paired ratios of any numeric column, such as latency, tokens or price."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic import BaseModel

from stillright.clusters import drawn_from
from stillright.comparison.models import Model
from stillright.comparison.pairing import MEASURE
from stillright.errors import ConfigError
from stillright.significance import Array
from stillright.stats import UNDEFINED, Estimate, within


class ModelMeasure(BaseModel, frozen=True):
    """One model after old. ratio: its mean over that of old, so that large samples weigh more; geometric_ratio: the
    geometric mean of each sample's ratio, undefined where any value is zero."""

    name: str
    mean: float
    ratio: Estimate
    geometric_ratio: Estimate


class Measure(BaseModel, frozen=True):
    """A column over the n samples that have a value in every file; unmeasured: those of the comparison that lack it."""

    column: str
    n: int
    unmeasured: int
    old_mean: float
    models: tuple[ModelMeasure, ...]


class MeasureAcross(BaseModel, frozen=True):
    """A column of one model over all tasks. old_mean, mean: weighted means of the tasks'; ratio: of these.

    n, unmeasured: samples of all tasks with a value in every file, and without. geometric_ratio: the geometric mean
    over tasks, by their weights, of the tasks' geometric means of each sample's ratio; undefined where any value is 0.
    """

    column: str
    n: int
    unmeasured: int
    old_mean: float
    mean: float
    ratio: Estimate
    geometric_ratio: Estimate


class Measured(NamedTuple):
    """The values of a column, means over runs. known: (n,), which samples have one in every file; models: (k,) each, of
    those, old first."""

    known: pl.Series
    models: list[Array]


def measured_values(name: str, models: Sequence[Model[pl.DataFrame]]) -> Measured:
    """Of a column of paired tables. Raises ConfigError where no sample has it in every file."""
    columns = [run[MEASURE + name] for model in models for run in model.runs]
    known = pl.select(pl.all_horizontal(*(column.is_not_null() for column in columns))).to_series()
    if not known.any():
        raise ConfigError(f"measure {name!r}: no sample has a value in every file; leave it out")
    return Measured(known, [_means(model, name, known) for model in models])


def measured(name: str, models: Sequence[Model[pl.DataFrame]], cluster: pl.Series | None) -> Measure:
    """A column of paired tables, means over runs. Raises ConfigError where no sample has it in every file."""
    known, (old, *others) = measured_values(name, models)
    numbers = None if cluster is None else cluster.filter(known).to_numpy()
    return Measure(
        column=name,
        n=int(known.sum()),
        unmeasured=int((~known).sum()),
        old_mean=float(old.mean()),
        models=tuple(_model(model.name, old, now, numbers) for model, now in zip(models[1:], others, strict=True)),
    )


def _means(model: Model[pl.DataFrame], name: str, known: pl.Series) -> Array:
    means: Array = np.mean([run[MEASURE + name].filter(known).to_numpy() for run in model.runs], axis=0)
    return means


def _model(name: str, old: Array, now: Array, numbers: Array | None) -> ModelMeasure:
    drawn = drawn_from(numbers, np.ones(len(old)))
    ratio = drawn.ratio(now, old, float(max(np.ptp(old), np.ptp(now))))
    geometric = UNDEFINED
    if old.min() > 0 and now.min() > 0:
        logs = np.log(now) - np.log(old)
        geometric = powers(drawn.mean(logs, float(np.ptp(logs))))
    return ModelMeasure(
        name=name, mean=float(now.mean()), ratio=within(ratio, 0.0, math.inf), geometric_ratio=geometric
    )


def powers(logs: Estimate) -> Estimate:
    """e to the power of a mean of logarithms, and of its bounds."""
    return Estimate(*(None if each is None else math.exp(each) for each in (logs.value, logs.low, logs.high)))
