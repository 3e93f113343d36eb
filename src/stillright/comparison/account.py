"""Old, new and candidates on some samples: scores, flips, and what each candidate changes against new."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from stillright.comparison.flips import Flips, continuous_flips, discrete_flips
from stillright.comparison.tally import Model, Tally, tally_continuous, tally_discrete
from stillright.records import Kind
from stillright.stats import NO_WIDTH, Estimate, estimate, mcnemar_exact, ratio, widened


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Side(_Frozen):
    """One model: its mean accuracy (discrete) or similarity (continuous).

    noise: NFR of the model against its own reruns, if there are several runs.
    """

    name: str
    runs: int
    score: float
    score_interval: Estimate
    noise: Estimate | None = None


class Candidate(_Frozen):
    """A further model in place of new: its flips against old, and its paired differences from new.

    `delta_nfr_p` is the exact McNemar test on "is a negative flip" of the candidate against that of new.
    """

    name: str
    score: float
    score_interval: Estimate
    comparison: Flips
    delta_score: Estimate
    delta_nfr: Estimate
    delta_nfr_relative: Estimate
    delta_nfr_p: float | None = None


class Account(_Frozen):
    """Old, new and candidates on some samples. Rates are fractions of n unless named otherwise.

    nfr_above_noise: NFR minus the mean noise of the sides that have several runs.
    """

    n: int
    old: Side
    new: Side
    comparison: Flips
    nfr_above_noise: Estimate | None = None
    candidates: tuple[Candidate, ...] = ()


def account(models: list[Model], kind: Kind, epsilon: float) -> Account:
    """The account of models of the same samples: old, new, then candidates."""
    if kind == "discrete":
        tally = tally_discrete(models)
        chance = _chance(models[0].runs[0])
        flips = [discrete_flips(tally, a, chance) for a in range(1, len(models))]
        score_column, flip_column = "right", "regression"
    else:
        tally = tally_continuous(models, epsilon)
        flips = [continuous_flips(tally, a) for a in range(1, len(models))]
        score_column, flip_column = "score", "down"
    old, new = (_side(tally, model, a, score_column) for a, model in enumerate(models[:2]))
    return Account(
        n=tally.n,
        old=old,
        new=new,
        comparison=flips[0],
        nfr_above_noise=_above_noise(tally, flip_column),
        candidates=tuple(
            _candidate(tally, model.name, a, flips[a - 1], score_column, flip_column)
            for a, model in enumerate(models[2:], start=2)
        ),
    )


def _chance(table: pl.DataFrame) -> float | None:
    """Mean of 1 / (number of choices - 1); None if any sample is not a choice among several."""
    choices = table["choices"]
    if choices.null_count() or (choices < 2).any():
        return None
    return float((1 / (choices.to_numpy() - 1)).mean())


def _side(tally: Tally, model: Model, a: int, score_column: str) -> Side:
    noise = tally.rate(f"noise.{a}") if f"noise.{a}" in tally.sums else None
    return Side(
        name=model.name,
        runs=len(model.runs),
        noise=noise,
        **_scores(tally, a, score_column),
    )


def _scores(tally: Tally, a: int, score_column: str) -> dict[str, Any]:
    """The mean score of model `a`, as a number and with its interval."""
    column = f"{score_column}.{a}"
    interval = tally.rate(column) if score_column == "right" else tally.mean(column)
    return {"score": interval.value, "score_interval": interval}


def _above_noise(tally: Tally, flip_column: str) -> Estimate | None:
    floors = [tally.means[name] for name in ("noise.0", "noise.1") if name in tally.means]
    return widened(estimate(tally.means[f"{flip_column}.1"] - np.mean(floors, axis=0)), tally.n) if floors else None


def _candidate(tally: Tally, name: str, a: int, flips: Flips, score_column: str, flip_column: str) -> Candidate:
    both_right = f"right_too.{a}" if score_column == "right" else None
    delta_nfr = tally.difference(f"{flip_column}.{a}", f"{flip_column}.1", f"flipped_too.{a}")
    return Candidate(
        name=name,
        comparison=flips,
        **_scores(tally, a, score_column),
        delta_score=tally.difference(f"{score_column}.{a}", f"{score_column}.1", both_right),
        delta_nfr=delta_nfr,
        delta_nfr_relative=relative(tally, delta_nfr, f"{flip_column}.{a}", f"{flip_column}.1"),
        delta_nfr_p=_flip_p(tally, a, flip_column),
    )


def relative(tally: Tally, delta: Estimate, first: str, second: str) -> Estimate:
    """`delta`, which is `first` minus `second`, relative to the mean of `second`.

    If no resample varied, with the bounds of `delta` over the mean observed, but not below -1: no rate falls by more
    than all of it.
    """
    found = estimate(ratio(tally.means[first] - tally.means[second], tally.means[second]))
    if found.low is None or found.high is None or found.high - found.low > NO_WIDTH:
        return found
    assert delta.low is not None
    assert delta.high is not None
    base = float(tally.means[second][0])
    return Estimate(found.value, max(delta.low / base, -1.0), delta.high / base)


def _flip_p(tally: Tally, a: int, flip_column: str) -> float | None:
    """Exact McNemar test of "is a negative flip", from the flips that only one of candidate and new has."""
    if not tally.counted:
        return None
    both = tally.sums[f"flipped_too.{a}"]
    only_new, only_candidate = (round(tally.sums[f"{flip_column}.{b}"] - both) for b in (1, a))
    return mcnemar_exact(only_new, only_candidate)
