"""compare(): the whole account of one update, from two files of per-sample results or more.

Knows PredictionSets and the account's shape (docs/metrics.md); nothing of how it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from stillright.comparison.examples import Regression, worst_regressions
from stillright.comparison.flips import Flips, continuous_flips, discrete_flips
from stillright.comparison.movement import Movement, movement
from stillright.comparison.pairing import OnMissing, pair
from stillright.comparison.rescore import rescored
from stillright.comparison.tally import Model, Tally, tally_continuous, tally_discrete
from stillright.errors import ConfigError
from stillright.importers import Selection, read_frame, read_predictions
from stillright.records import Kind, PredictionSet
from stillright.scoring.judge import JudgeSettings
from stillright.stats import Adjustment, Estimate, adjusted, estimate, mcnemar_exact, ratio


class Frame(Protocol):
    """What Polars and pandas frames have in common."""

    @property
    def columns(self) -> Any:
        """Names of the columns."""

    def __getitem__(self, name: str, /) -> Any: ...


Results = str | Path | PredictionSet | Frame


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Side(_Frozen):
    """One model: its mean accuracy (discrete) or similarity (continuous).

    noise: NFR of the model against its own reruns, where there are several runs.
    """

    name: str
    runs: int
    score: float
    score_interval: Estimate
    noise: Estimate | None = None


class Candidate(_Frozen):
    """One more model in the new one's place: its flips against old, and its differences from new, paired.

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
    """Old, new and candidates on some samples. Rates are fractions of n unless their name says otherwise.

    nfr_above_noise: NFR less the mean noise of the sides that have several runs.
    """

    n: int
    old: Side
    new: Side
    comparison: Flips
    nfr_above_noise: Estimate | None = None
    candidates: tuple[Candidate, ...] = ()


class Slice(Account):
    """The samples that have one value in a column.

    p: of the update (McNemar, or the sign test for continuous results); p_adjusted: among all slices.
    """

    column: str
    value: str
    p: float | None
    p_adjusted: float | None


class Comparison(Account):
    """The whole account of one update.

    unscored: samples of every file that some file does not score; missing: samples that some file does not have.
    """

    task: str | None
    metric: str | None
    kind: Kind
    unscored: int
    missing: int
    on_missing: OnMissing
    epsilon: float
    movement: Movement | None = None
    worst: tuple[Regression, ...] = ()
    adjustment: Adjustment | None = None  # of the p-values of slices
    slices: tuple[Slice, ...] = ()

    def to_json(self) -> str:
        """The contract that other programs read (docs/metrics.md): estimates are objects, null where undefined."""
        return self.model_dump_json(indent=2) + "\n"


def compare(
    old: Results,
    new: Results,
    candidates: Sequence[Results] = (),
    *,
    old_runs: Sequence[Results] = (),
    new_runs: Sequence[Results] = (),
    selection: Selection | None = None,
    score: str | JudgeSettings | None = None,
    on_missing: OnMissing = "error",
    epsilon: float = 0.0,
    slices: Sequence[str] = (),
    adjustment: Adjustment = "holm",
) -> Comparison:
    """What the update from `old` to `new` changed, and what each of `candidates` changes instead of `new`.

    old, new, candidates: paths in any format that stillright reads, PredictionSets, Polars or pandas frames.
    old_runs, new_runs: further runs (seeds, repeats) of a side; results are then means over pairs of runs.
    selection: what to take where a file holds several results.
    score: a name in scoring.SCORES, or a judge: outputs are scored anew, instead of as their files say.
    on_missing: see pairing.pair. epsilon: least change of a score that counts. slices: columns whose values are
    accounted for one by one, p-values adjusted by `adjustment`.
    Raises DataError where the results cannot be compared, ConfigError for an epsilon below zero or an unknown slice.
    """
    if not 0 <= epsilon < math.inf:
        raise ConfigError(f"epsilon {epsilon}: the least change that counts cannot be below zero or without end")
    selection = with_columns(selection, slices)
    groups = {"old": [old, *old_runs], "new": [new, *new_runs]}
    groups |= {f"candidate {i}": [candidate] for i, candidate in enumerate(candidates, start=1)}
    sets = [[resolved(each, selection, score, role) for each in group] for role, group in groups.items()]
    paired = pair([each for group in sets for each in group], on_missing, slices)
    if epsilon and paired.kind == "discrete":
        raise ConfigError(f"epsilon {epsilon:g}: these answers are right or wrong, which no least change applies to")
    tables = iter(paired.tables)
    names = _distinct_names([group[0].name for group in sets], list(groups))
    models = [Model(name, [next(tables) for _ in group]) for name, group in zip(names, sets, strict=True)]
    whole = _account(models, paired.kind, epsilon)
    return Comparison(
        **dict(whole),
        task=paired.task,
        metric=paired.metric,
        kind=paired.kind,
        unscored=paired.unscored,
        missing=paired.missing,
        on_missing=on_missing,
        epsilon=epsilon,
        worst=worst_regressions(models[0].runs[0], models[1].runs[0], epsilon),
        movement=movement(models[0].runs[0], models[1].runs[0], epsilon),
        adjustment=adjustment if slices else None,
        slices=_slices(models, paired.kind, epsilon, paired.labels, adjustment),
    )


def _told_apart(names: list[str]) -> list[str]:
    """The names of old, new and candidates; where two are the same (a/x.jsonl, b/x.jsonl), with their part."""
    roles = ["old", "new", *(f"candidate {i}" for i in range(1, len(names) - 1))]
    return [f"{name} ({role})" if names.count(name) > 1 else name for name, role in zip(names, roles, strict=True)]


def with_columns(selection: Selection | None, columns: Sequence[str]) -> Selection:
    """The selection, with further columns to keep."""
    selection = selection or Selection()
    return replace(selection, columns=tuple(dict.fromkeys((*selection.columns, *columns))))


def _distinct_names(names: list[str], roles: list[str]) -> list[str]:
    """The names, or with their roles where two models share one."""
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({role})" for name, role in zip(names, roles, strict=True)]


def resolved(results: Results, selection: Selection, score: str | JudgeSettings | None, role: str) -> PredictionSet:
    """The PredictionSet in a path or a frame (then named `role`), scored anew where a score is asked for."""
    found = _read(results, selection, role)
    return found if score is None else rescored(found, score)


def _read(results: Results, selection: Selection, role: str) -> PredictionSet:
    if isinstance(results, PredictionSet):
        return results
    if isinstance(results, str | Path):
        return read_predictions(Path(results), selection)
    return read_frame(results, role, selection)


def _account(models: list[Model], kind: Kind, epsilon: float) -> Account:
    if kind == "discrete":
        tally = tally_discrete(models)
        chance = _chance(models[0].runs[0])
        flips = [discrete_flips(tally, a, chance) for a in range(1, len(models))]
        score, lost = "right", "regression"
    else:
        tally = tally_continuous(models, epsilon)
        flips = [continuous_flips(tally, a) for a in range(1, len(models))]
        score, lost = "score", "down"
    old, new = (_side(tally, model, a, score) for a, model in enumerate(models[:2]))
    return Account(
        n=tally.n,
        old=old,
        new=new,
        comparison=flips[0],
        nfr_above_noise=_above_noise(tally, lost),
        candidates=tuple(
            _candidate(tally, model.name, a, flips[a - 1], score, lost) for a, model in enumerate(models[2:], start=2)
        ),
    )


def _chance(table: pl.DataFrame) -> float | None:
    """Mean of 1 / (number of choices - 1), None where some sample is no choice among several."""
    choices = table["choices"]
    if choices.null_count() or (choices < 2).any():
        return None
    return float((1 / (choices.to_numpy() - 1)).mean())


def _side(tally: Tally, model: Model, a: int, score: str) -> Side:
    column = f"{score}.{a}"
    interval = tally.rate(column) if score == "right" else tally.mean(column)
    noise = tally.mean(f"noise.{a}") if f"noise.{a}" in tally.sums else None
    return Side(
        name=model.name,
        runs=len(model.runs),
        score=float(tally.means[column][0]),
        score_interval=interval,
        noise=noise,
    )


def _above_noise(tally: Tally, lost: str) -> Estimate | None:
    floors = [tally.means[name] for name in ("noise.0", "noise.1") if name in tally.means]
    return estimate(tally.means[f"{lost}.1"] - np.mean(floors, axis=0)) if floors else None


def _candidate(tally: Tally, name: str, a: int, flips: Flips, score: str, lost: str) -> Candidate:
    means = tally.means
    delta_nfr = means[f"{lost}.{a}"] - means[f"{lost}.1"]
    interval = tally.rate(f"{score}.{a}") if score == "right" else tally.mean(f"{score}.{a}")
    return Candidate(
        name=name,
        score=float(means[f"{score}.{a}"][0]),
        score_interval=interval,
        comparison=flips,
        delta_score=estimate(means[f"{score}.{a}"] - means[f"{score}.1"]),
        delta_nfr=estimate(delta_nfr),
        delta_nfr_relative=estimate(ratio(delta_nfr, means[f"{lost}.1"])),
        delta_nfr_p=_flip_p(tally, a, lost),
    )


def _flip_p(tally: Tally, a: int, lost: str) -> float | None:
    """Exact McNemar test of "is a negative flip", from the flips that only one of candidate and new has."""
    if not tally.counted:
        return None
    both = tally.sums[f"both_lost.{a}"]
    only_new, only_candidate = (round(tally.sums[f"{lost}.{b}"] - both) for b in (1, a))
    return mcnemar_exact(only_new, only_candidate)


def _slices(
    models: list[Model], kind: Kind, epsilon: float, labels: dict[str, pl.Series], adjustment: Adjustment
) -> tuple[Slice, ...]:
    found = []
    for column, values in labels.items():
        for value in sorted(values.drop_nulls().unique()):
            rows = (values == value).fill_null(False)
            within = [Model(model.name, [run.filter(rows) for run in model.runs]) for model in models]
            found.append((column, value, _account(within, kind, epsilon)))
    flips = [account.comparison for _, _, account in found]
    ps = [each.mcnemar_p if kind == "discrete" else each.sign_p for each in flips]
    defined = [p for p in ps if p is not None]
    corrected = iter(adjusted(defined, adjustment))
    return tuple(
        Slice(**dict(account), column=column, value=value, p=p, p_adjusted=None if p is None else next(corrected))
        for (column, value, account), p in zip(found, ps, strict=True)
    )
