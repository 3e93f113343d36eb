"""The search: every direction by itself, then the most promising sums of them; the fewest flips win.

Margins move nearly linearly, so what two directions do together is close to the sum of what each does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from stillright.stats import Estimate, mean_interval, tango, within
from stillright.training.imitation import Imitation, imitation, margins
from stillright.training.search.directions import Direction, Mixture, added
from stillright.training.search.question import Question

ASKED = 3  # of the sums that look best

Grid = Mapping[str, Sequence[float]]  # name of a direction -> steps to try, without 0


class Tried(NamedTuple):
    """How new answers the samples with a mixture of directions added; rates are fractions, differences paired."""

    mixture: Mixture
    accuracy: float
    nfr: float  # against the old task model
    accuracy_against_new: Estimate
    nfr_against_new: Estimate
    imitation: Imitation | None  # of choices


class Found(NamedTuple):
    """The mixture that is taken, empty where new itself is best, and all that were tried, new first."""

    mixture: Mixture
    reason: str
    tried: list[Tried]

    @property
    def account(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"mixture": self.mixture, "reason": self.reason, "tried": [_plain(each) for each in self.tried]}


def search(
    model: Any, old: Tensor, question: Question, directions: Mapping[str, Direction], grid: Grid, label: str
) -> Found:
    """The mixture of directions with the lowest NFR among those not less accurate than `model`, the new task model.

    old: (n, K) what the old task model makes of the samples.
    """
    asked: dict[tuple[tuple[str, float], ...], Tensor] = {}  # in the order of the grid
    with added(model, directions) as move:

        def ask(mixture: Mixture) -> None:
            move(mixture)
            said = ", ".join(f"{name} {step:g}" for name, step in mixture.items()) or "new"
            asked[tuple(mixture.items())] = question.ask(model, f"{label}, {said}")

        axes: list[Mixture] = [{name: step} for name, steps in grid.items() for step in steps]
        for mixture in [{}, *axes]:
            ask(mixture)
        for mixture in _promising(asked, old, question, grid):
            ask(mixture)
    new = asked[()]
    tried = [_tried(dict(mixture), scores, new, old, question) for mixture, scores in asked.items()]
    best, reason = _best(tried)
    return Found(best.mixture, reason, tried)


def most_passes(grid: Grid) -> int:
    """How often new is asked at most: alone, at each step of each direction, and at the sums that look best."""
    return 1 + sum(map(len, grid.values())) + (ASKED if len(grid) > 1 else 0)


def _promising(asked: Mapping[Any, Tensor], old: Tensor, question: Question, grid: Grid) -> list[Mixture]:
    """The sums of several directions that would lose the fewest answers, if their effects added up."""
    new = asked[()]
    foretold = []
    for steps in product(*((0.0, *steps) for steps in grid.values())):
        mixture = {name: step for name, step in zip(grid, steps, strict=True) if step}
        if len(mixture) > 1:
            scores = new + sum(asked[(move,)] - new for move in mixture.items())
            foretold.append(_tried(mixture, scores, new, old, question))
    now = _tried({}, new, new, old, question)
    able = [each for each in foretold if each.accuracy >= now.accuracy]
    return [each.mixture for each in sorted(able, key=_rank)[:ASKED]]


def _tried(mixture: Mixture, scores: Tensor, new: Tensor, old: Tensor, question: Question) -> Tried:
    student, before, kept = (question.outcomes(each) for each in (scores, new, old))
    lost, lost_before = ((each < kept).float() for each in (student, before))
    accepted = question.accepted
    found = None if accepted is None else imitation(*(margins(each, accepted) for each in (scores, old, new)))
    return Tried(
        mixture,
        float(student.mean()),
        float(lost.mean()),
        _change(student, before),
        _change(lost, lost_before),
        found,
    )


def _change(after: Tensor, before: Tensor) -> Estimate:
    """The mean difference of n paired values from 0 to 1 with its 95 % interval: Tango's where all are 0 or 1."""
    difference = after.double() - before.double()
    if bool((difference == difference.round()).all()):
        return tango(int((difference > 0).sum()), int((difference < 0).sum()), len(difference))
    return within(mean_interval(difference.numpy(), np.ones(len(difference))), -1.0, 1.0)


def _rank(tried: Tried) -> tuple[float, float, float]:
    """Fewest flips first; of equal ones the more accurate, then the shorter way from new."""
    return tried.nfr, -tried.accuracy, sum(tried.mixture.values())


def _best(tried: Sequence[Tried]) -> tuple[Tried, str]:
    new = tried[0]
    able = [each for each in tried if each.accuracy >= new.accuracy]
    best = min(able, key=_rank)
    if not best.mixture or best.nfr >= new.nfr:
        return (
            new,
            f"none of {len(tried) - 1} tried loses fewer answers than new (NFR {new.nfr:.2%}) at no less accuracy",
        )
    lost, right = (change.shown("+", 100) for change in (best.nfr_against_new, best.accuracy_against_new))
    return best, (
        f"NFR {best.nfr:.2%} instead of {new.nfr:.2%} ({lost} points), accuracy {best.accuracy:.2%} "
        f"instead of {new.accuracy:.2%} ({right} points)"
    )


def _plain(tried: Tried) -> dict[str, Any]:
    changes = {name: asdict(getattr(tried, name)) for name in ("accuracy_against_new", "nfr_against_new")}
    found = tried.imitation
    return {**tried._asdict(), **changes, "imitation": None if found is None else found.plain()}
