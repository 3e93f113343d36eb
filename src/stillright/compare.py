"""Pairs predictions by id and counts what changed: quadrants, flips, smooth gain and regression.

Knows PredictionSets and numbers; nothing of models, and nothing of how results are shown. Formulas: Echterhoff et al.,
2024, section 3; `nfi` and `btc` are the negative flip impact and backward trust compatibility of the model-update
literature. docs/metrics.md defines each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from stillright.errors import DataError
from stillright.records import Kind, PredictionSet, Row
from stillright.stats import UNDEFINED, Array, Estimate, bootstrap, mcnemar_exact, wilson

Flags = npt.NDArray[np.bool_]
Text = TypeVar("Text", bound=str)
EXAMPLES = 5  # ids named in an error


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Side(_Frozen):
    """One model: its mean accuracy (discrete) or similarity (continuous)."""

    name: str
    score: float
    score_interval: Estimate


class Flips(_Frozen):
    """What changed between two models. Counts sum to n; a metric that is undefined, or of the other kind, is None."""

    both_right: int | None = None
    gain: int
    both_wrong: int | None = None
    unchanged: int | None = None
    regression: int
    nfr: Estimate
    pfr: Estimate
    nfr_mc: Estimate = UNDEFINED
    nfr_of_old_right: Estimate = UNDEFINED
    nfi: Estimate = UNDEFINED
    btc: Estimate = UNDEFINED
    mean_gain: Estimate = UNDEFINED
    mean_regression: Estimate = UNDEFINED
    mcnemar_p: float | None = None


class Candidate(_Frozen):
    """One more model in the new one's place: its flips against old, and its differences from new, paired.

    `delta_nfr_p` is the exact McNemar test on "is a negative flip" of the candidate against that of new (discrete).
    """

    name: str
    score: float
    score_interval: Estimate
    comparison: Flips
    delta_score: Estimate
    delta_nfr: Estimate
    delta_nfr_relative: Estimate
    delta_nfr_p: float | None = None


class Comparison(_Frozen):
    """The whole account of one update. Rates are fractions of n unless their name says otherwise."""

    task: str | None
    metric: str | None
    kind: Kind
    n: int
    unscored: int
    old: Side
    new: Side
    comparison: Flips
    candidates: tuple[Candidate, ...] = ()

    def to_json(self) -> str:
        """The contract that other programs read (docs/metrics.md): estimates are objects, null where undefined."""
        return self.model_dump_json(indent=2) + "\n"


class Scored(NamedTuple):
    """One model's rows in the common order, as arrays. Of `right`/`answers` and `scores` only the kind's are filled."""

    name: str
    right: Flags  # (n,)
    answers: npt.NDArray[np.object_]  # (n,)
    scores: Array  # (n,)


def compare_predictions(old: PredictionSet, new: PredictionSet, candidates: Sequence[PredictionSet] = ()) -> Comparison:
    """What the update from `old` to `new` changed, and what each of `candidates` changes instead of `new`.

    Raises DataError where the sets differ in ids, references, task, metric or kind, or where nothing could be scored.
    """
    sets = [old, new, *candidates]
    kinds: list[Kind | None] = [predictions.kind for predictions in sets]
    kind: Kind = _agreed("kind", kinds, sets) or "discrete"
    task = _agreed("task", [predictions.header.task for predictions in sets], sets)
    metric = _agreed("metric", [predictions.header.metric for predictions in sets], sets)
    paired = _pair(sets)
    kept = [rows for rows in paired if all(_is_scored(row, kind) for row in rows)]
    if not kept:
        raise DataError(
            f"{old.header.name} and {new.header.name}: no sample is scored in every file; nothing to compare"
        )
    scored = [_scored(predictions, [rows[i] for rows in kept], kind) for i, predictions in enumerate(sets)]
    flips = _discrete_flips if kind == "discrete" else _continuous_flips
    return Comparison(
        task=task,
        metric=metric,
        kind=kind,
        n=len(kept),
        unscored=len(paired) - len(kept),
        old=_side(scored[0], kind),
        new=_side(scored[1], kind),
        comparison=flips(scored[0], scored[1]),
        candidates=tuple(_candidate(scored[0], scored[1], candidate, kind) for candidate in scored[2:]),
    )


def _agreed(what: str, values: Sequence[Text | None], sets: Sequence[PredictionSet]) -> Text | None:
    known = {
        value: predictions.header.name for value, predictions in zip(values, sets, strict=True) if value is not None
    }
    if len(known) > 1:
        named = ", ".join(f"{name}: {value}" for value, name in known.items())
        raise DataError(f"the files differ in {what} ({named}); compare results of one {what} only")
    return next(iter(known), None)


def _pair(sets: Sequence[PredictionSet]) -> list[tuple[Row, ...]]:
    """The rows of every set side by side, in the first set's order; refuses missing ids and differing references."""
    by_id = [{row.id: row for row in predictions.rows} for predictions in sets]
    first = by_id[0]
    for predictions, rows in zip(sets[1:], by_id[1:], strict=True):
        _refuse_missing(sets[0].header.name, predictions.header.name, first.keys() - rows.keys())
        _refuse_missing(predictions.header.name, sets[0].header.name, rows.keys() - first.keys())
        for row in first.values():
            _refuse_different_question(row, rows[row.id], sets[0].header.name, predictions.header.name)
    return [tuple(rows[sample] for rows in by_id) for sample in first]


def _refuse_missing(holder: str, lacking: str, ids: set[str]) -> None:
    if ids:
        named = ", ".join(repr(sample) for sample in sorted(ids)[:EXAMPLES])
        raise DataError(
            f"{lacking}: {len(ids)} ids of {holder} are missing (such as {named}); both must answer the same samples"
        )


def _refuse_different_question(first: Row, second: Row, first_name: str, second_name: str) -> None:
    for field in ("reference", "prompt"):
        a, b = getattr(first, field), getattr(second, field)
        if a is not None and b is not None and a != b:
            raise DataError(
                f"sample {first.id!r}: {first_name} and {second_name} differ in its {field} "
                f"({str(a)[:60]!r} and {str(b)[:60]!r}); both must answer the same question"
            )


def _is_scored(row: Row, kind: Kind) -> bool:
    return row.right is not None if kind == "discrete" else row.score is not None


def _answer(row: Row) -> str | None:
    return row.prediction if row.prediction is not None else row.output


def _scored(predictions: PredictionSet, rows: list[Row], kind: Kind) -> Scored:
    discrete = kind == "discrete"
    return Scored(
        predictions.header.name,
        np.array([bool(row.right) for row in rows] if discrete else [], dtype=np.bool_),
        np.array([_answer(row) for row in rows] if discrete else [], dtype=np.object_),
        np.array([] if discrete else [row.score for row in rows], dtype=np.float64),
    )


def _first_mean(means: Array) -> Array:
    return means[:, 0]


def _score_interval(scored: Scored, kind: Kind) -> Estimate:
    if kind == "discrete":
        return wilson(int(scored.right.sum()), len(scored.right))
    return bootstrap(scored.scores[:, None], _first_mean)


def _side(scored: Scored, kind: Kind) -> Side:
    values = scored.right if kind == "discrete" else scored.scores
    return Side(name=scored.name, score=float(values.mean()), score_interval=_score_interval(scored, kind))


def _discrete_flips(old: Scored, new: Scored) -> Flips:
    n = len(old.right)
    both_right = int((old.right & new.right).sum())
    gain = int((~old.right & new.right).sum())
    regression = int((old.right & ~new.right).sum())
    changed_mistake = int(((~new.right | old.right) & (old.answers != new.answers)).sum())
    return Flips(
        both_right=both_right,
        gain=gain,
        both_wrong=n - both_right - gain - regression,
        regression=regression,
        nfr=wilson(regression, n),
        pfr=wilson(gain, n),
        # without answers (only `correct` given) a changed mistake cannot be seen
        nfr_mc=wilson(changed_mistake, n) if None not in (*old.answers, *new.answers) else UNDEFINED,
        nfr_of_old_right=wilson(regression, both_right + regression),
        nfi=wilson(regression, n - both_right - gain),
        btc=wilson(both_right, both_right + regression),
        mcnemar_p=mcnemar_exact(gain, regression),
    )


def _ratio(means: Array) -> Array:
    """Mean of column 0 over mean of column 1, NaN where the latter is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(means[:, 1] > 0, means[:, 0] / means[:, 1], np.nan)


def _continuous_flips(old: Scored, new: Scored) -> Flips:
    difference = new.scores - old.scores
    up, down = difference > 0, difference < 0
    n = len(difference)
    return Flips(
        gain=int(up.sum()),
        unchanged=int((difference == 0).sum()),
        regression=int(down.sum()),
        nfr=wilson(int(down.sum()), n),
        pfr=wilson(int(up.sum()), n),
        mean_gain=bootstrap(np.column_stack([difference * up, up]).astype(np.float64), _ratio),
        mean_regression=bootstrap(np.column_stack([-difference * down, down]).astype(np.float64), _ratio),
    )


def _negative_flips(old: Scored, new: Scored, kind: Kind) -> Array:
    """1.0 where `new` lost against `old`: (n,)."""
    lost = old.right & ~new.right if kind == "discrete" else new.scores < old.scores
    return lost.astype(np.float64)


def _difference(means: Array) -> Array:
    return means[:, 0] - means[:, 1]


def _relative_difference(means: Array) -> Array:
    return _ratio(np.column_stack([_difference(means), means[:, 1]]))


def _candidate(old: Scored, new: Scored, candidate: Scored, kind: Kind) -> Candidate:
    flips = _discrete_flips if kind == "discrete" else _continuous_flips
    side = _side(candidate, kind)
    lost = np.column_stack([_negative_flips(old, candidate, kind), _negative_flips(old, new, kind)])
    values = [candidate.right, new.right] if kind == "discrete" else [candidate.scores, new.scores]
    only_candidate, only_new = int((lost[:, 0] > lost[:, 1]).sum()), int((lost[:, 0] < lost[:, 1]).sum())
    return Candidate(
        name=side.name,
        score=side.score,
        score_interval=side.score_interval,
        comparison=flips(old, candidate),
        delta_score=bootstrap(np.column_stack(values).astype(np.float64), _difference),
        delta_nfr=bootstrap(lost, _difference),
        delta_nfr_relative=bootstrap(lost, _relative_difference),
        delta_nfr_p=mcnemar_exact(only_new, only_candidate),
    )
