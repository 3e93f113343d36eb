"""The per-sample columns whose means are the metrics, summed and resampled together.

Knows tables of right answers and scores; knows neither files nor which metrics are made of the columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations, product
from typing import NamedTuple

import numpy as np
import polars as pl

from stillright.stats import Array, Estimate, bounded, estimate, resampled_means, tango, widened, wilson


class Model(NamedTuple):
    """One model's results, run by run; the samples of all models are the same."""

    name: str
    runs: list[pl.DataFrame]  # with `right` and `answer` if discrete, else with `score`


@dataclass(frozen=True)
class Tally:
    """Sums and resampled means of per-sample columns, all drawn together."""

    n: int
    columns: Mapping[str, Array]  # (m,) each, one value per distinct row of samples
    counts: Array  # (m,), how many samples share the row
    sums: Mapping[str, float]
    means: Mapping[str, Array]  # (1 + RESAMPLES,) each, the observed one first
    pairs: int  # pairs of an old and a new run

    @classmethod
    def of(cls, columns: Mapping[str, Array], counts: Array, models: list[Model]) -> Tally:
        """The tally of `columns` of `models`."""
        sums = {name: float(counts @ column) for name, column in columns.items()}
        pairs = len(models[0].runs) * len(models[1].runs)
        return cls(round(counts.sum()), columns, counts, sums, resampled_means(columns, counts), pairs)

    @property
    def counted(self) -> bool:
        """Whether sums are counts, as with one run per side."""
        return self.pairs == 1

    def count(self, name: str) -> float:
        """The sum of a column, an int where it counts samples."""
        return round(self.sums[name]) if self.counted else self.sums[name]

    def rate(self, top: str, bottom: str | None = None) -> Estimate:
        """Mean of `top`, or its share in `bottom`, with Wilson's interval.

        With several runs, at the effective number of samples that has the variance of the means over runs (Korn and
        Graubard, 1998), which is that of the samples if nothing varies, and at most one per pair of runs.
        """
        whole = self.n if bottom is None else self.sums[bottom]
        if self.counted or whole == 0:
            return wilson(round(self.sums[top]), round(whole))
        share = self.sums[top] / whole
        part = 1.0 if bottom is None else self.columns[bottom]
        variance = float(self.counts @ (self.columns[top] - share * part) ** 2) / whole**2
        effective = share * (1 - share) / variance if variance > 0 else whole
        effective = min(effective or whole, whole * self.pairs)
        return wilson(share * effective, effective)

    def mean(self, name: str) -> Estimate:
        """The mean of a column of scores with its bootstrap interval, within 0 and 1 where all scores are."""
        return bounded(estimate(self.means[name]), self.n, self.columns[name])

    def difference(self, first: str, second: str, both: str | None = None) -> Estimate:
        """Mean of `first` less that of `second`: Tango's interval where both count samples, else bootstrap.

        both: the column of samples that count in both; None if the columns are not counts.
        """
        if both is None or not self.counted:
            span = max(1.0, *(float(np.ptp(self.columns[name])) for name in (first, second)))
            return widened(estimate(self.means[first] - self.means[second]), self.n, span)
        alone = [round(self.sums[name] - self.sums[both]) for name in (first, second)]
        return tango(alone[0], alone[1], self.n)


def tally_discrete(models: list[Model]) -> Tally:
    """Columns "right.A" and, of every A but the first, "wrong", "gain", "regression", "both_right", "both_wrong",
    "square" (of the difference) and "changed"; A counts models from 0 (old).

    "changed.A" is missing if any answer of any run is unknown. Candidates (A > 1) have "flipped_too.A" and
    "right_too.A": new has a negative flip there too, or is right too. Models with several runs have "noise.A": a
    negative flip between two of them.
    """
    flags, counts = _distinct(_flags(models))
    columns: dict[str, Array] = {}
    for a, model in enumerate(models):
        right = _mean([flags[f"right.{a}.{r}"] for r in range(len(model.runs))])
        columns[f"right.{a}"] = right
        if a:
            old = columns["right.0"]
            columns[f"gain.{a}"], columns[f"regression.{a}"] = (1 - old) * right, old * (1 - right)
            columns[f"both_right.{a}"], columns[f"both_wrong.{a}"] = old * right, (1 - old) * (1 - right)
            columns[f"wrong.{a}"] = 1 - right
            columns[f"square.{a}"] = (right - old) ** 2
            changes = [flag for name, flag in flags.items() if name.startswith(f"changed.{a}.")]
            if changes:
                columns[f"changed.{a}"] = _mean(changes)
        if a > 1:
            columns[f"flipped_too.{a}"] = columns[f"regression.{a}"] * columns["regression.1"]
            columns[f"right_too.{a}"] = right * columns["right.1"]
        if len(model.runs) > 1:
            runs = [flags[f"right.{a}.{r}"] for r in range(len(model.runs))]
            columns[f"noise.{a}"] = _mean([before * (1 - now) for before, now in permutations(runs, 2)])
    return Tally.of(columns, counts, models)


def _mean(columns: list[Array]) -> Array:
    mean: Array = np.mean(np.stack(columns), axis=0, dtype=np.float64)
    return mean


def _flags(models: list[Model]) -> pl.DataFrame:
    """For every sample: whether each run is right, and whether its answer changed from each run of old."""
    flags = [run["right"].alias(f"right.{a}.{r}") for a, model in enumerate(models) for r, run in enumerate(model.runs)]
    known = [all(run["answer"].null_count() == 0 for run in model.runs) for model in models]
    for a, model in enumerate(models[1:], start=1):
        if known[0] and known[a]:
            pairs = product(enumerate(models[0].runs), enumerate(model.runs))
            flags += [changed(before, now).alias(f"changed.{a}.{q}.{r}") for (q, before), (r, now) in pairs]
    return pl.DataFrame(flags)


def changed(before: pl.DataFrame, now: pl.DataFrame) -> pl.Series:
    """For each sample: whether the answer is another one, and is wrong now or was right before.

    So changes among several right answers count. NFR_mc is the mean.
    """
    return (before["answer"] != now["answer"]) & (~now["right"] | before["right"])


def _distinct(flags: pl.DataFrame) -> tuple[dict[str, Array], Array]:
    """The distinct rows of `flags` and how often each occurs, in an order that depends on content alone."""
    counted = flags.group_by(pl.all()).len(name="_count").sort(pl.all())
    counts = counted["_count"].to_numpy().astype(np.float64)
    return {name: counted[name].to_numpy().astype(np.float64) for name in flags.columns}, counts


def tally_continuous(models: list[Model], epsilon: float) -> Tally:
    """Columns "score.A" and, of every A but the first, "up.A", "down.A", "same.A", "rise_size.A", "drop_size.A" and
    "square.A".

    `rise_size` and `drop_size` are the sizes of differences over `epsilon`, zero elsewhere; `square` is the squared
    deviation of the difference from its mean.
    `flipped_too` and `noise` are as in `tally_discrete`.
    """
    scores = [[run["score"].to_numpy() for run in model.runs] for model in models]
    columns: dict[str, Array] = {"score.0": _mean(scores[0])}
    for a, runs in enumerate(scores[1:], start=1):
        differences = [now - before for before in scores[0] for now in runs]
        columns[f"score.{a}"] = _mean(runs)
        columns[f"up.{a}"] = _mean([d > epsilon for d in differences])
        columns[f"down.{a}"] = _mean([d < -epsilon for d in differences])
        columns[f"same.{a}"] = _mean([np.abs(d) <= epsilon for d in differences])
        columns[f"rise_size.{a}"] = _mean([d * (d > epsilon) for d in differences])
        columns[f"drop_size.{a}"] = _mean([-d * (d < -epsilon) for d in differences])
        difference = columns[f"score.{a}"] - columns["score.0"]
        columns[f"square.{a}"] = (difference - difference.mean()) ** 2  # E[D²] - E[D]² would cancel
        if a > 1:
            columns[f"flipped_too.{a}"] = columns[f"down.{a}"] * columns["down.1"]
    for a, runs in enumerate(scores):
        if len(runs) > 1:
            columns[f"noise.{a}"] = _mean([now - before < -epsilon for before, now in permutations(runs, 2)])
    ones = np.ones(len(columns["score.0"]))
    return Tally.of(columns, ones, models)
