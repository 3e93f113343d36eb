"""plan(): how many samples a limit needs, from results that there are already, and what these could have shown.

Knows comparisons and power; knows no format.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Unpack

from pydantic import BaseModel

from stillright.comparison.comparison import read_and_compare
from stillright.comparison.models import Options, Results
from stillright.comparison.reliable import least_runs
from stillright.comparison.tally import Tally
from stillright.errors import ConfigError, spelled
from stillright.power import (
    MOST,
    needed_for_change,
    needed_up_to_most,
    seen_change_with,
    seen_with,
    smallest_fall,
    smallest_shown_rate,
)

SHARES = (0.0, 0.25, 0.5, 2.0, 3.0)  # of the limit: true rates that are planned for where none is given


HOPED = 0.02  # fall of NFR: half of the four points that a plain update has, see docs/results.md


class Needed(BaseModel, frozen=True):
    """What it takes to tell a true value from a limit with the power asked for.

    true_value: a rate, or a change of score; samples: None where more than MOST; clusters: as many as hold them. seen:
    the probability that the present samples show it.
    """

    true_value: float
    samples: int | None
    clusters: int | None = None
    seen: float


class Plan(BaseModel, frozen=True):
    """How many samples an update's NFR needs to be told from a limit, and what the present n could have shown.

    expected: the NFR of new in these results, None without new. noise: of the baseline against its own reruns.
    design_effect: by which clusters make samples worth less, that of NFR or, where nothing tells, of the baseline's
    score. worth: how many independent answers the samples tell as much as, with their runs and clusters. below, above:
    true NFRs that keep the limit and break it. keeps_up_to, breaks_from: the largest true NFR that the samples would
    show below the limit with the power, and the least they would show above it; None where there is none. shown_from:
    the least of which they would show any. change: a true change of score, if one is asked for. least_runs: of each
    model, from which on a single item could be named that changed reliably.
    """

    baseline: str
    new: str | None
    n: int
    score: float
    limit: float
    power: float
    expected: float | None
    noise: float | None
    clusters: int | None
    design_effect: float | None
    worth: float
    below: tuple[Needed, ...]
    above: tuple[Needed, ...]
    keeps_up_to: float | None
    breaks_from: float | None
    shown_from: float
    change: Needed | None
    least_runs: int

    def to_json(self) -> str:
        """The plan for other programs."""
        return self.model_dump_json(indent=2) + "\n"


class Aim(NamedTuple):
    """What is to be told: a limit of NFR, with which power, the true NFR (None: several), a true change of score."""

    nfr: float
    power: float = 0.8
    true_nfr: float | None = None
    change: float | None = None


def plan(baseline: Results, new: Results | None, aim: Aim, **options: Unpack[Options]) -> Plan:
    """What `aim` needs, from results of the baseline and, for what depends on it, of some new model.

    options: as of compare(). Raises ConfigError for an aim without a meaning, and what compare() raises.
    """
    _refuse(aim, new)
    pilot = new is not None
    if not pilot:  # its samples, scores and noise are those of a comparison with itself
        options = {**options, "allow": [*options.get("allow", ()), "identical"]}
    comparison, models = read_and_compare(baseline, baseline if new is None else new, (), (), **options)
    if comparison.kind == "discrete" and abs(aim.change or 0.0) > 1:
        raise ConfigError(f"change {aim.change:g}: no share of right answers changes by more than 1; 5 % is 0.05")
    tally = comparison.sampled().tally()
    expected = tally.share("regression.1") if pilot else None
    effect = _design_effect(tally, pilot)
    worth = (tally.worth("regression.1") if pilot else tally.n) / (effect or 1.0)
    size = _Size(tally.n, worth, None if tally.clusters is None else len(tally.clusters.sizes))

    def seen(rate: float) -> float:
        return seen_with(max(1, round(worth)), rate, aim.nfr)

    rates = _rates(aim, expected)
    return Plan(
        baseline=models[0].runs[0].name,
        new=comparison.new.name if pilot else None,
        n=tally.n,
        score=comparison.old.score,
        limit=aim.nfr,
        power=aim.power,
        expected=expected,
        noise=None if comparison.old.noise is None else comparison.old.noise.value,
        clusters=size.clusters,
        design_effect=effect,
        worth=worth,
        below=tuple(size.for_rate(rate, aim) for rate in rates if rate < aim.nfr),
        above=tuple(size.for_rate(rate, aim) for rate in rates if rate > aim.nfr),
        keeps_up_to=_farthest(seen, aim.nfr, 0.0, aim.power),
        breaks_from=_farthest(seen, aim.nfr, 1.0, aim.power),
        shown_from=smallest_shown_rate(worth, aim.power),
        change=None if aim.change is None else size.for_change(tally, aim.change, aim.power),
        least_runs=least_runs(tally.n),
    )


class _Size(NamedTuple):
    """The samples that there are, how many independent answers they are worth, and how many clusters they are in."""

    n: int
    worth: float
    clusters: int | None

    def for_rate(self, rate: float, aim: Aim) -> Needed:
        """What it takes to show on which side of the limit a true NFR lies."""
        answers = needed_up_to_most(rate, aim.nfr, aim.power)
        return self._needed(rate, answers, seen_with(max(1, round(self.worth)), rate, aim.nfr))

    def for_change(self, tally: Tally, change: float, power: float) -> Needed:
        """What it takes to show a true change of score, with the variance of this pair of models."""
        gap = tally.columns["score.1"] - tally.columns["score.0"]
        mean = float(tally.counts @ gap) / tally.n
        variance = float(tally.counts @ (gap - mean) ** 2) / tally.n
        if variance <= 0:
            raise ConfigError(
                f"change {change:g}: no score differs between the two models, which tells nothing of others"
            )
        effect = 1.0 if tally.clusters is None else max(1.0, tally.clusters.design_effect(gap) or 1.0)
        size = self._replace(worth=self.n / effect)
        answers = needed_for_change(change, 0.0, variance, power)
        return size._needed(change, answers, seen_change_with(size.worth, change, 0.0, variance))

    def _needed(self, true_value: float, answers: float, seen: float) -> Needed:
        """Of independent answers the samples, and the clusters as large as those that there are."""
        samples = answers * self.n / self.worth
        if samples > MOST:
            return Needed(true_value=true_value, samples=None, seen=seen)
        clusters = None if self.clusters is None else math.ceil(samples * self.clusters / self.n - 1e-9)
        return Needed(true_value=true_value, samples=math.ceil(samples - 1e-9), clusters=clusters, seen=seen)


def too_few_to_show(rows: int) -> str | None:
    """Why so many test rows cannot show that NFR falls by HOPED, and how many can; None where they can."""
    least = smallest_fall(rows)
    if least <= HOPED:
        return None
    enough = needed_for_change(-HOPED, 0.0, HOPED * (1 - HOPED), 0.8)
    return (
        f"{rows:,} test rows show a fall of NFR from {100 * least:.1f} points on, where no other answer is lost (80 % "
        f"power); {enough:,} rows would show {100 * HOPED:.0f} points"
    )


def _refuse(aim: Aim, new: Results | None) -> None:
    """Raises ConfigError for an aim without a meaning."""
    for name, value in (("nfr", aim.nfr), ("power", aim.power)):
        if not 0 < value < 1:
            raise ConfigError(f"{name} {value:g}: must lie between 0 and 1; for 2 % write 0.02")
    if aim.true_nfr is not None and not 0 <= aim.true_nfr <= 1:
        raise ConfigError(f"true NFR {aim.true_nfr:g}: must lie between 0 and 1; for 1 % write 0.01")
    if aim.true_nfr == aim.nfr:
        raise ConfigError(
            f"true NFR {aim.true_nfr:g}: is the limit itself, from which no sample tells it; give another"
        )
    if aim.change is not None and not math.isfinite(aim.change):
        raise ConfigError(f"change {aim.change:g}: must be a finite number; for 5 % write 0.05")
    if aim.change is not None and (new is None or aim.change == 0):
        option = spelled(command="--new-run FILE", python="new")
        fix = f"give {option}" if new is None else "give another"
        reason = "how much scores differ between models needs results of a new one" if new is None else "is no change"
        raise ConfigError(f"change {aim.change:g}: {reason}; {fix}")


def _design_effect(tally: Tally, pilot: bool) -> float | None:
    """At least 1. That of negative flips where there are some, else of the baseline's score; None without clusters."""
    if tally.clusters is None:
        return None
    of_flips = tally.clusters.design_effect(tally.columns["regression.1"]) if pilot else None
    return max(1.0, of_flips or tally.clusters.design_effect(tally.columns["score.0"]) or 1.0)


def _rates(aim: Aim, expected: float | None) -> list[float]:
    """The true NFRs to plan for: the one given, that of the results at hand and, around the limit, several."""
    if aim.true_nfr is not None:
        return [aim.true_nfr]
    several = {share * aim.nfr for share in SHARES} | ({expected} if expected is not None else set())
    return sorted(rate for rate in several if rate < 1)


def _farthest(seen: Callable[[float], float], limit: float, end: float, power: float) -> float | None:
    """The rate nearest to the limit, on the side of `end`, that is seen with the power; None if not even `end` is."""
    if seen(end) < power:
        return None
    near, far = limit, end  # far: is seen
    for _ in range(40):
        middle = (near + far) / 2
        near, far = (near, middle) if seen(middle) >= power else (middle, far)
    return far
