"""compare(): the whole account of one update, from two or more files of per-sample results.

Knows PredictionSets and the account's shape (docs/metrics.md), not how it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import polars as pl
from pydantic import Field

from stillright.comparison.account import Account, account
from stillright.comparison.examples import Regression, worst_regressions
from stillright.comparison.movement import Movement, movement
from stillright.comparison.pairing import OnMissing, pair
from stillright.comparison.rescore import rescored
from stillright.comparison.tally import Model
from stillright.errors import ConfigError
from stillright.importers import Selection, read_frame, read_predictions
from stillright.records import Kind, PredictionSet
from stillright.scoring.judge import JudgeSettings
from stillright.stats import holm


class Frame(Protocol):
    """What Polars and pandas frames have in common."""

    @property
    def columns(self) -> Any:
        """Names of the columns."""

    def __getitem__(self, name: str, /) -> Any: ...


Results = str | Path | PredictionSet | Frame
ROUNDING = 1e-9  # a smaller excess over epsilon comes from rounding: 0.8 - 0.7 is above 0.1


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

    unscored: samples in every file that some file does not score; they are not part of n. missing: samples that some
    file lacks. counted_wrong: samples of either kind that are part of n, as wrong answers. sources: for each model,
    what its (first) file records of how it was made: model, dtype, versions of tools.
    """

    task: str | None
    metric: str | None
    kind: Kind
    unscored: int
    counted_wrong: int
    missing: int
    on_missing: OnMissing
    epsilon: float
    movement: Movement | None = None
    worst: tuple[Regression, ...] = ()
    adjustment: Literal["holm"] | None = None  # of the p-values of slices
    slices: tuple[Slice, ...] = ()
    sources: dict[str, dict[str, Any]] = Field(default_factory=dict)

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
) -> Comparison:
    """What the update from `old` to `new` changed, and what each of `candidates` would change in place of `new`.

    old, new, candidates: paths in any format that stillright reads, PredictionSets, Polars or pandas frames.
    old_runs, new_runs: further runs (seeds, repeats) of a side; results are then means over pairs of runs.
    selection: what to take from files that hold several results.
    score: a name in scoring.SCORES, or a judge, to score outputs anew in place of the scores in their files.
    on_missing: for samples that some file lacks: "error" refuses them, "drop" leaves them out, "wrong" (discrete
    results only) counts them, and unscored ones, as wrong answers of that file.
    epsilon: changes of a score up to this size do not count (continuous results only).
    slices: columns whose values are accounted for one by one, with p-values adjusted for each other (Holm).
    Raises DataError for results that cannot be read or compared, ConfigError for an argument without a meaning here,
    and with `score` also MissingExtra and JudgeError.
    """
    _refuse_bare_strings(candidates=candidates, old_runs=old_runs, new_runs=new_runs, slices=slices)
    _refuse_unknown(on_missing=(on_missing, get_args(OnMissing)))
    selection = with_columns(selection, slices)
    groups = {"old": [old, *old_runs], "new": [new, *new_runs]}
    groups |= {f"candidate {i}": [candidate] for i, candidate in enumerate(candidates, start=1)}
    sets = [[resolved(each, selection, score, role) for each in group] for role, group in groups.items()]
    paired = pair([each for group in sets for each in group], on_missing, slices)
    least = _least_change(epsilon, paired.kind)
    tables = iter(paired.tables)
    names = _told_apart([group[0].name for group in sets], list(groups))
    models = [Model(name, [next(tables) for _ in group]) for name, group in zip(names, sets, strict=True)]
    whole = account(models, paired.kind, least)
    return Comparison(
        **dict(whole),
        task=paired.task,
        metric=paired.metric,
        kind=paired.kind,
        unscored=paired.unscored,
        counted_wrong=paired.counted_wrong,
        missing=paired.missing,
        on_missing=on_missing,
        epsilon=epsilon,
        worst=worst_regressions(models[0].runs[0], models[1].runs[0], least),
        movement=movement(models[0].runs[0], models[1].runs[0], least),
        adjustment="holm" if slices else None,
        slices=_slices(models, paired.kind, least, paired.labels),
        sources={
            name: group[0].header.source for name, group in zip(names, sets, strict=True) if group[0].header.source
        },
    )


def _least_change(epsilon: float, kind: Kind) -> float:
    """What a difference must exceed to count. Raises ConfigError for a meaningless epsilon."""
    if not 0 <= epsilon < math.inf:
        raise ConfigError(f"epsilon {epsilon}: the least change that counts must be finite and not below zero")
    if epsilon and kind == "discrete":
        raise ConfigError(f"epsilon {epsilon:g}: applies to scores only, but these answers are right or wrong")
    return epsilon + ROUNDING if epsilon else 0.0


def _refuse_bare_strings(**arguments: Any) -> None:
    for name, value in arguments.items():
        if isinstance(value, str | Path):
            raise ConfigError(f"{name}={str(value)!r}: expected a list, as in {name}=[{str(value)!r}]")


def _refuse_unknown(**arguments: tuple[str, tuple[str, ...]]) -> None:
    for name, (value, known) in arguments.items():
        if value not in known:
            raise ConfigError(f"{name}={value!r}: expected one of {', '.join(known)}")


def _told_apart(names: list[str], roles: list[str]) -> list[str]:
    """The names of the models, with their roles if two have the same (a/x.jsonl, b/x.jsonl)."""
    return [f"{name} ({role})" if names.count(name) > 1 else name for name, role in zip(names, roles, strict=True)]


def with_columns(selection: Selection | None, columns: Sequence[str]) -> Selection:
    """The selection, with further columns to keep."""
    selection = selection or Selection()
    return replace(selection, columns=tuple(dict.fromkeys((*selection.columns, *columns))))


def resolved(results: Results, selection: Selection, score: str | JudgeSettings | None, role: str) -> PredictionSet:
    """The PredictionSet in a path or a frame (then named `role`), scored anew if a score is given."""
    found = _read(results, selection, role)
    return found if score is None else rescored(found, score)


def _read(results: Results, selection: Selection, role: str) -> PredictionSet:
    if isinstance(results, PredictionSet):
        return results
    if isinstance(results, str | Path):
        return read_predictions(Path(results), selection)
    return read_frame(results, role, selection)


def _slices(models: list[Model], kind: Kind, epsilon: float, labels: dict[str, pl.Series]) -> tuple[Slice, ...]:
    found = []
    for column, values in labels.items():
        for value in sorted(values.drop_nulls().unique()):
            rows = (values == value).fill_null(False)
            within = [Model(model.name, [run.filter(rows) for run in model.runs]) for model in models]
            found.append((column, value, account(within, kind, epsilon)))
    flips = [part.comparison for _, _, part in found]
    ps = [each.mcnemar_p if kind == "discrete" else each.sign_p for each in flips]
    corrected = iter(holm([p for p in ps if p is not None]))
    return tuple(
        Slice(**dict(part), column=column, value=value, p=p, p_adjusted=None if p is None else next(corrected))
        for (column, value, part), p in zip(found, ps, strict=True)
    )
