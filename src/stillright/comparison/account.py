"""Old, new and candidates on some samples: scores, flips, and what each candidate changes against new."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from pydantic import BaseModel

from stillright.comparison.columns import tally_continuous, tally_discrete
from stillright.comparison.flips import Count, Flips, continuous_flips, discrete_flips
from stillright.comparison.models import Model
from stillright.comparison.tally import Tally
from stillright.records import Kind
from stillright.stats import Estimate, within


class ModelScore(BaseModel, frozen=True):
    """One model: its mean accuracy (discrete) or similarity (continuous).

    noise: NFR of the model against its own reruns, if there are several runs.
    """

    name: str
    runs: int
    score: float
    score_interval: Estimate
    noise: Estimate | None = None


class Candidate(BaseModel, frozen=True):
    """A further model in place of new: its flips against old, and its paired differences from new.

    `delta_nfr_p` is the exact McNemar test on "is a negative flip" of the candidate against that of new. restored:
    answers of old that new loses and the candidate keeps; newly_lost: those that new keeps and the candidate loses.
    """

    name: str
    score: float
    score_interval: Estimate
    comparison: Flips
    delta_score: Estimate
    delta_nfr: Estimate
    delta_nfr_relative: Estimate
    delta_nfr_p: float | None = None
    restored: Count
    newly_lost: Count


class Grouping(BaseModel, frozen=True):
    """The clusters of samples that intervals and tests allow for. count: how many; largest: samples in the largest.

    design_effect: for NFR and for the change of score, the variance of the mean over that of as many independent
    samples; None where nothing varies.
    """

    count: int
    largest: int
    design_effect: dict[str, float | None]


class Account(BaseModel, frozen=True):
    """Old, new and candidates on some samples. Rates are fractions of n unless named otherwise.

    nfr_above_noise: NFR minus the mean noise of old and new, of those that have several runs. clusters: of samples, if
    they are not independent.
    """

    n: int
    clusters: Grouping | None = None
    old: ModelScore
    new: ModelScore
    comparison: Flips
    nfr_above_noise: Estimate | None = None
    candidates: tuple[Candidate, ...] = ()

    @property
    def lost(self) -> Count:
        """How many samples old answers better than new; a mean over pairs of runs, if there are several."""
        return self.comparison.regression

    @property
    def gained(self) -> Count:
        """How many samples new answers better than old."""
        return self.comparison.gain

    @property
    def nfr(self) -> Estimate:
        """Negative flips of new: `lost` as a fraction of n."""
        return self.comparison.nfr

    @property
    def pfr(self) -> Estimate:
        """Positive flips of new: `gained` as a fraction of n."""
        return self.comparison.pfr

    @property
    def nfr_mc(self) -> Estimate:
        """Lost answers and changed mistakes of new, as a fraction of n."""
        return self.comparison.nfr_mc

    @property
    def delta_score(self) -> Estimate:
        """The score of new less that of old."""
        return self.comparison.delta_score

    @property
    def models(self) -> list[ModelScore | Candidate]:
        """Old, new and candidates."""
        return [self.old, self.new, *self.candidates]

    @property
    def flips_by_model(self) -> list[tuple[str, Flips]]:
        """Name and flips of new and of each candidate."""
        return [(self.new.name, self.comparison), *((each.name, each.comparison) for each in self.candidates)]


def account(
    models: Sequence[Model[pl.DataFrame]], kind: Kind, epsilon: float, sign: int = 1, cluster: pl.Series | None = None
) -> Account:
    """The account of models of the same samples: old, new, then candidates. sign: -1 where lower scores are better.

    cluster: (n,), the number of each sample's, where samples of one are not independent.
    """
    places = range(len(models))
    if kind == "discrete":
        tally, same_mistake = tally_discrete(models, cluster), _same_mistake(models[0].runs[0])
        scores = [tally.rate(f"score.{a}") for a in places]
        flips = [discrete_flips(tally, a, same_mistake) for a in places[1:]]
    else:
        tally = tally_continuous(models, epsilon, sign, cluster)
        scores = [tally.mean(f"score.{a}") for a in places]
        flips = [continuous_flips(tally, a) for a in places[1:]]
    old, new = (_model_score(tally, a, models[a], scores[a]) for a in places[:2])
    return Account(
        n=tally.n,
        clusters=_grouping(tally),
        old=old,
        new=new,
        comparison=flips[0],
        nfr_above_noise=_above_noise(tally),
        candidates=tuple(_candidate(tally, a, models[a].name, scores[a], flips[a - 1]) for a in places[2:]),
    )


def _grouping(tally: Tally) -> Grouping | None:
    if tally.clusters is None:
        return None
    sizes, columns = tally.clusters.sizes, tally.columns
    values = {"nfr": columns["regression.1"], "delta_score": columns["score.1"] - columns["score.0"]}
    effects = {name: tally.clusters.design_effect(column) for name, column in values.items()}
    return Grouping(count=len(sizes), largest=round(sizes.max()), design_effect=effects)


def _same_mistake(table: pl.DataFrame) -> float | None:
    """Mean of 1 / (number of choices - 1), each wrong one as likely; None if any sample is no choice among several."""
    choices = table["choices"]
    if choices.null_count() or (choices < 2).any():
        return None
    return float((1 / (choices.to_numpy() - 1)).mean())


def _model_score(tally: Tally, a: int, model: Model[pl.DataFrame], score: Estimate) -> ModelScore:
    noise = tally.rate(f"noise.{a}") if f"noise.{a}" in tally.sums else None
    return ModelScore(name=model.name, runs=len(model.runs), score=score.value, score_interval=score, noise=noise)


def _above_noise(tally: Tally) -> Estimate | None:
    floors = [tally.columns[name] for name in ("noise.0", "noise.1") if name in tally.columns]
    if not floors:
        return None
    return within(tally.mean_of(tally.columns["regression.1"] - np.mean(floors, axis=0)), -1.0, 1.0)


def _candidate(tally: Tally, a: int, name: str, score: Estimate, flips: Flips) -> Candidate:
    flips_of_both = (f"regression.{a}", "regression.1", f"flipped_too.{a}")
    return Candidate(
        name=name,
        score=score.value,
        score_interval=score,
        comparison=flips,
        delta_score=tally.difference(f"score.{a}", "score.1", f"right_too.{a}"),
        delta_nfr=tally.difference(*flips_of_both),
        delta_nfr_relative=tally.relative(*flips_of_both),
        delta_nfr_p=tally.p(f"restored.{a}", f"newly_lost.{a}"),  # McNemar's of "is a negative flip"
        restored=tally.count(f"restored.{a}"),
        newly_lost=tally.count(f"newly_lost.{a}"),
    )
