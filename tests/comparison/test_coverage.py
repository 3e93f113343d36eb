"""The 95 % intervals hold the truth in about 95 % of simulated comparisons; benchmarks/coverage.py simulates all."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stillright.comparison import compare
from stillright.records import Header, PredictionSet

# of 400 simulated tables the share covered has a standard error of 1.1 points: three of them either way
TABLES, LEAST, MOST = 400, 0.917, 0.983


def verdicts(name: str, right: Any) -> PredictionSet:
    return PredictionSet.from_rows(Header(name=name), [{"id": i, "correct": bool(r)} for i, r in enumerate(right)])


def test_the_interval_of_delta_nfr_is_that_of_plain_resampling() -> None:
    draw = random.Random(0)
    models = [[draw.random() < p for _ in range(40)] for p in (0.6, 0.7, 0.75)]
    old, new, compat = (verdicts(name, right) for name, right in zip("onc", models, strict=True))
    candidate = compare(old, new, [compat]).candidates[0]
    samples = list(zip(*models, strict=True))
    deltas = []
    for _ in range(4_000):
        drawn = draw.choices(samples, k=40)
        deltas.append(sum((o and not c) - (o and not n) for o, n, c in drawn) / 40)
    low, high = np.quantile(deltas, [0.025, 0.975])
    # steps of 1/40 between neighbours
    assert candidate.delta_nfr.low == pytest.approx(low, abs=0.026)
    assert candidate.delta_nfr.high == pytest.approx(high, abs=0.026)


def share_covered(truth: float, interval: Callable[[np.random.Generator], Any]) -> float:
    """In which share of simulated comparisons the interval holds the truth."""
    generator = np.random.default_rng(7)
    held = [bool(each.low <= truth <= each.high) for each in (interval(generator) for _ in range(TABLES))]
    return sum(held) / TABLES


def test_the_paired_interval_of_delta_nfr_covers() -> None:
    # of samples: old right, new right, candidate right; new loses 10 %, the candidate 7 %, 5 % both
    patterns = np.array([(1, 1, 1), (1, 0, 0), (1, 0, 1), (1, 1, 0), (0, 1, 1), (0, 0, 0)])
    shares = [0.50, 0.05, 0.05, 0.02, 0.18, 0.20]

    def interval(generator: np.random.Generator) -> Any:
        old, new, compat = patterns[generator.choice(6, size=300, p=shares)].T
        found = compare(verdicts("old", old), verdicts("new", new), [verdicts("compat", compat)])
        return found.candidates[0].delta_nfr

    assert LEAST < share_covered(0.02 + 0.05 - 0.10, interval) < MOST


def test_the_interval_of_nfr_over_several_runs_covers() -> None:
    # two kinds of samples: old is right in 95 % or 20 % of runs, new in 85 % or 40 %
    chances = np.array([(0.95, 0.85), (0.2, 0.4)])
    truth = float(np.mean(chances[:, 0] * (1 - chances[:, 1])))

    def interval(generator: np.random.Generator) -> Any:
        old, new = chances[generator.integers(0, 2, size=200)].T
        olds, news = ([verdicts(f"{r}", generator.random(200) < p) for r in range(2)] for p in (old, new))
        return compare(olds[0], news[0], old_runs=olds[1:], new_runs=news[1:]).comparison.nfr

    assert LEAST < share_covered(truth, interval) < MOST


def scores(name: str, values: Any) -> PredictionSet:
    return PredictionSet.from_rows(Header(name=name), [{"id": i, "score": float(s)} for i, s in enumerate(values)])


def test_the_interval_of_a_few_changed_scores_covers() -> None:
    # a fifth of 20 scores fall, by 0.15 on average, most of them by less
    def interval(generator: np.random.Generator) -> Any:
        drops = np.where(generator.random(20) < 0.2, np.minimum(generator.exponential(0.15, 20), 0.7), 0.0)
        return compare(scores("old", np.full(20, 0.7)), scores("new", 0.7 - drops)).comparison.delta_score

    assert share_covered(-0.2 * 0.15 * (1 - math.exp(-0.7 / 0.15)), interval) > LEAST


def test_the_interval_of_a_mean_regression_covers() -> None:
    def interval(generator: np.random.Generator) -> Any:
        old = generator.uniform(0.3, 0.7, size=80)
        new = old + generator.normal(0.02, 0.1, size=80)
        return compare(scores("old", old), scores("new", new)).comparison.mean_regression

    # mean of -D where D < 0, of a normal D: s * phi(m / s) / Phi(-m / s) - m
    density, below = math.exp(-(0.2**2) / 2) / math.sqrt(2 * math.pi), 0.5 * math.erfc(0.2 / math.sqrt(2))
    assert LEAST < share_covered(0.1 * density / below - 0.02, interval) < MOST
