"""Distributions that updates are drawn from, each with a known rate of negative flips; for coverage.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from stillright.comparison.models import Model
from stillright.records import Kind

Generator = np.random.Generator
Array = np.ndarray
Draw = Callable[[Generator, int, float], list[Model[pl.DataFrame]]]  # n samples, at this rate of negative flips
CHOICES = 4
OF_CLUSTER, CORRELATION = 10, 0.3  # samples of a cluster on average, and how alike they are


def answers(generator: Generator, right: Array) -> pl.DataFrame:
    """Answers to questions with four choices, the first of which is right."""
    answer = np.where(right, 0, generator.integers(1, CHOICES, len(right)))
    given = {"right": right, "answer": answer.astype(str), "choices": np.full(len(right), CHOICES)}
    return pl.DataFrame(given).with_columns(reference=pl.lit(["0"]))


def flipped(generator: Generator, old: Array, rate: float, gained: float) -> Array:
    """Whether each sample is right after `rate` of all samples are lost and `gained` of all are gained."""
    chance = np.where(old, 1 - rate / 0.7, gained / 0.3)
    return generator.random(len(old)) < chance


def discrete(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """Old is right in 70 %; the candidate keeps half of what new loses, and loses a sixth as much elsewhere."""
    old = generator.random(n) < 0.7
    new = flipped(generator, old, rate, 1.5 * rate)
    kept = new | (old & (generator.random(n) < 0.5))
    candidate = kept & ~(old & new & (generator.random(n) < rate / 6))
    named = zip(("old", "new", "candidate"), (old, new, candidate), strict=True)
    return [Model(name, [answers(generator, right)]) for name, right in named]


def reruns(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """Two runs a model: some samples are sure, some are left to chance; the candidate has one run."""
    known = generator.choice([0.0, 0.5, 1.0], n, p=[0.3 - rate, 2 * rate, 0.7 - rate])
    lost, kept = generator.random(n) < rate / 2, generator.random(n) < 0.5
    chances = {"old": known, "new": np.where(lost, 0.0, known), "candidate": np.where(lost & ~kept, 0.0, known)}
    runs = {"old": 2, "new": 2, "candidate": 1}
    drawn = {name: [generator.random(n) < chances[name] for _ in range(count)] for name, count in runs.items()}
    return [Model(name, [answers(generator, right) for right in each]) for name, each in drawn.items()]


def scores(*models: Array) -> list[Model[pl.DataFrame]]:
    """Models of one run each: old, new, candidate."""
    named = zip(("old", "new", "candidate"), models, strict=True)
    return [Model(name, [pl.DataFrame({"score": score})]) for name, score in named]


def few_scores(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """Most scores stay; `rate` of them fall, by a random part; the candidate keeps half of those."""
    old, part = generator.beta(2, 1.5, n), generator.random((3, n))
    new = np.where(part[0] < rate, old * part[1], np.where(part[0] > 1 - rate, old + (1 - old) * part[1], old))
    return scores(old, new, np.where((new < old) & (part[2] < 0.5), old, new))


def all_scores(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """Every score moves, more rise than fall; `rate` has no meaning here."""
    old = generator.beta(2, 1.5, n)
    new, candidate = (np.clip(old + generator.normal(shift, 0.1, n), 0, 1) for shift in (0.02, 0.03))
    return scores(old, new, candidate)


def score_reruns(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """`few_scores` with two runs of old and of new, one of which answers a few samples differently."""
    models = few_scores(generator, n, rate)
    for model in models[:2]:
        again = np.where(generator.random(n) < rate, generator.random(n), model.runs[0]["score"].to_numpy())
        model.runs.append(pl.DataFrame({"score": again}))
    return models


def clustered(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """`discrete` in clusters of 1 to many samples, ten on average, with an intraclass correlation of 0.3: chances are
    beta distributed over clusters."""
    sizes = generator.geometric(1 / OF_CLUSTER, n // OF_CLUSTER)
    numbers = np.repeat(np.arange(len(sizes)), sizes)

    def drawn(mean: float) -> Array:
        weight = 1 / CORRELATION - 1
        return generator.random(len(numbers)) < generator.beta(mean * weight, (1 - mean) * weight, len(sizes))[numbers]

    old = drawn(0.7)
    new = np.where(old, ~drawn(rate / 0.7), drawn(1.5 * rate / 0.3))
    kept = new | (old & (generator.random(len(old)) < 0.5))
    candidate = kept & ~(old & new & (generator.random(len(old)) < rate / 6))
    named = zip(("old", "new", "candidate"), (old, new, candidate), strict=True)
    models = [Model(name, [answers(generator, right)]) for name, right in named]
    models[0].runs[0] = models[0].runs[0].with_columns(pl.Series("cluster", numbers))
    return models


def clustered_scores(generator: Generator, n: int, rate: float) -> list[Model[pl.DataFrame]]:
    """Scores of which `rate` of all clusters fall wholly, and as many rise; the candidate keeps half of those."""
    sizes = generator.geometric(1 / OF_CLUSTER, n // OF_CLUSTER)
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    chance, part = generator.random(len(sizes))[numbers], generator.random((2, len(numbers)))
    old = generator.beta(2, 1.5, len(sizes))[numbers] * (0.5 + 0.5 * part[0])
    new = np.where(chance < rate, old * part[1], np.where(chance > 1 - rate, old + (1 - old) * part[1], old))
    kept = generator.random(len(sizes))[numbers] < 0.5
    models = scores(old, new, np.where((new < old) & kept, old, new))
    models[0].runs[0] = models[0].runs[0].with_columns(pl.Series("cluster", numbers))
    return models


WORLDS: dict[str, tuple[Kind, Draw]] = {
    "right or wrong": ("discrete", discrete),
    "right or wrong, two runs": ("discrete", reruns),
    "scores, few of which change": ("continuous", few_scores),
    "scores, all of which change": ("continuous", all_scores),
    "scores, two runs": ("continuous", score_reruns),
    "right or wrong, in clusters of ten": ("discrete", clustered),
    "scores, in clusters of ten": ("continuous", clustered_scores),
}
IN_CLUSTERS = (clustered, clustered_scores)
