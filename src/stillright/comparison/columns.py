"""The per-sample columns whose means are the metrics, quadrants among them.

Knows tables of right answers and scores; knows neither files nor which metrics are made of the columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations, product

import numpy as np
import polars as pl

from stillright.comparison.models import Model
from stillright.comparison.quadrants import exchanged, quadrants, score_parts
from stillright.comparison.tally import Tally
from stillright.significance import Array

CLUSTER = "cluster"  # the column of clusters among flags, if there are some
Lost = Callable[[Array, Array], Array]  # old and another model, (n,) each -> where that has a negative flip, (n,)


def tally_discrete(models: Sequence[Model[pl.DataFrame]], cluster: pl.Series | None = None) -> Tally:
    """Columns "score.A" (1 where right) and, of every A but the first, those of `quadrants`, "wrong", "square" (of the
    difference), "changed" and "answer_changed"; A counts models from 0 (old). Tables have `right` and `answer`.

    "changed.A" and "answer_changed.A" are missing if any answer of any run is unknown, the latter also where no sample
    has several right answers. Candidates (A > 1) have those of `exchanged`, and
    "flipped_too.A" and "right_too.A": new has a negative flip there too, or is right too. Models with several runs
    have "noise.A": a negative flip between two of them.
    """

    def lost(old: Array, now: Array) -> Array:
        return quadrants(old, now)["regression"]

    flags, counts = _distinct(_flags(models, cluster))
    runs = [[flags[f"right.{a}.{r}"] for r in range(len(model.runs))] for a, model in enumerate(models)]
    columns = {"score.0": _mean(runs[0])}
    for a in range(1, len(models)):
        old, right = columns["score.0"], _mean(runs[a])
        columns[f"score.{a}"] = right
        columns |= _of_model(a, quadrants(old, right))
        columns[f"wrong.{a}"] = 1 - right
        columns[f"square.{a}"] = (right - old) ** 2
        for kind in ("changed", "answer_changed"):
            if changes := [flag for name, flag in flags.items() if name.startswith(f"{kind}.{a}.")]:
                columns[f"{kind}.{a}"] = _mean(changes)
        if a > 1:
            columns[f"flipped_too.{a}"] = columns[f"regression.{a}"] * columns["regression.1"]
            columns[f"right_too.{a}"] = right * columns["score.1"]
            columns |= _of_model(a, _exchanged(runs[0], runs[1], runs[a], lost))
    columns |= _noise(runs, lost)
    return Tally.of(columns, counts, len(runs[0]) * len(runs[1]), flags.get(CLUSTER))


def tally_continuous(
    models: Sequence[Model[pl.DataFrame]], epsilon: float, sign: int = 1, cluster: pl.Series | None = None
) -> Tally:
    """Columns "score.A" and, of every A but the first, those of `score_parts`, "gain_size.A", "regression_size.A" and
    "square.A". Tables have `score`.

    Sizes are those of differences over `epsilon`, zero elsewhere; `square` is the squared deviation of the difference
    from its mean. `flipped_too`, `noise` and those of `exchanged` are as in `tally_discrete`. sign: -1 where lower
    scores are better, so that a gain is a score that fell. cluster: (n,), the number of each sample's.
    """

    def lost(old: Array, now: Array) -> Array:
        return score_parts(old, now, epsilon)["regression"]

    runs = [[sign * run["score"].to_numpy() for run in model.runs] for model in models]
    columns = {"score.0": sign * _mean(runs[0])}
    for a in range(1, len(models)):
        pairs = list(product(runs[0], runs[a]))
        parts = [score_parts(*pair, epsilon) for pair in pairs]
        columns[f"score.{a}"] = sign * _mean(runs[a])
        columns |= _of_model(a, _mean_parts(parts))
        for name, up in (("gain", 1), ("regression", -1)):
            sizes = [up * (now - old) * part[name] for (old, now), part in zip(pairs, parts, strict=True)]
            columns[f"{name}_size.{a}"] = _mean(sizes)
        difference = columns[f"score.{a}"] - columns["score.0"]
        columns[f"square.{a}"] = (difference - difference.mean()) ** 2  # E[D²] - E[D]² would cancel
        if a > 1:
            columns[f"flipped_too.{a}"] = columns[f"regression.{a}"] * columns["regression.1"]
            columns |= _of_model(a, _exchanged(runs[0], runs[1], runs[a], lost))
    columns |= _noise(runs, lost)
    ones = np.ones(len(columns["score.0"]))
    return Tally.of(columns, ones, len(runs[0]) * len(runs[1]), None if cluster is None else cluster.to_numpy())


def _of_model(a: int, columns: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{name}.{a}": column for name, column in columns.items()}


def _exchanged(olds: list[Array], news: list[Array], candidates: list[Array], lost: Lost) -> dict[str, Array]:
    """Means over all runs of the three models."""
    return _mean_parts([exchanged(lost(old, new), lost(old, now)) for old, new, now in product(olds, news, candidates)])


def _noise(runs: list[list[Array]], lost: Lost) -> dict[str, Array]:
    """ "noise.A" of each model: the mean of its flips between two of its runs, if it has several."""
    flips = [[lost(*pair) for pair in permutations(each, 2)] for each in runs]
    return {f"noise.{a}": _mean(each) for a, each in enumerate(flips) if each}


def _mean_parts(parts: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: _mean([part[name] for part in parts]) for name in parts[0]}


def _mean(columns: list[Array]) -> Array:
    mean: Array = np.mean(np.stack(columns), axis=0, dtype=np.float64)
    return mean


def _flags(models: Sequence[Model[pl.DataFrame]], cluster: pl.Series | None) -> pl.DataFrame:
    """For every sample: whether each run is right, how its answer changed from each run of old, and its cluster."""
    flags = [] if cluster is None else [cluster.alias(CLUSTER)]
    flags += [
        run["right"].alias(f"right.{a}.{r}") for a, model in enumerate(models) for r, run in enumerate(model.runs)
    ]
    known = [all(run["answer"].null_count() == 0 for run in model.runs) for model in models]
    several = _several_right([run for model in models for run in model.runs])
    for a, model in enumerate(models[1:], start=1):
        if not known[0] or not known[a]:
            continue
        for (q, before), (r, now) in product(enumerate(models[0].runs), enumerate(model.runs)):
            flags.append(changed(before, now).alias(f"changed.{a}.{q}.{r}"))
            if several.any():
                other = before["right"] & now["right"] & (before["answer"] != now["answer"])
                flags.append((several & other).alias(f"answer_changed.{a}.{q}.{r}"))
    return pl.DataFrame(flags)


def _several_right(tables: Sequence[pl.DataFrame]) -> pl.Series:
    """For each sample: whether its reference lists several right answers, in any table."""
    listed = [(table["reference"].list.len() > 1).fill_null(False) for table in tables]
    return pl.select(pl.any_horizontal(*listed)).to_series()


def changed(before: pl.DataFrame, now: pl.DataFrame) -> pl.Series:
    """For each sample: whether a right answer was lost, or a mistake became another one. NFR_mc is the mean.

    So NFR <= NFR_mc <= error rate of now; a right answer in other words is still right.
    """
    return ~now["right"] & (before["right"] | (before["answer"] != now["answer"]))


def _distinct(flags: pl.DataFrame) -> tuple[dict[str, Array], Array]:
    """The distinct rows of `flags` and how often each occurs, in an order that depends on content alone."""
    counted = flags.group_by(pl.all()).len(name="_count").sort(pl.all())
    counts = counted["_count"].to_numpy().astype(np.float64)
    return {name: counted[name].to_numpy().astype(np.float64) for name in flags.columns}, counts
