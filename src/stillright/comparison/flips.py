"""What changed between two models: quadrants, flips, smooth gain and regression, each with its interval.

Knows the columns of a Tally; knows neither files nor how results are shown. Formulas: Echterhoff et al., 2024,
section 3; docs/metrics.md defines each.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from stillright.comparison.tally import Tally
from stillright.stats import (
    NO_WIDTH,
    UNDEFINED,
    Array,
    Estimate,
    bounded,
    estimate,
    mcnemar_exact,
    ratio,
    smallest_difference,
)

Count = int | float  # a mean where a model has several runs


class Flips(BaseModel):
    """What changed between two models. Counts sum to n; metrics that are undefined, or of the other kind, are None.

    Where a model has several runs, counts and rates are means over pairs of runs.
    """

    model_config = ConfigDict(frozen=True)

    both_right: Count | None = None
    gain: Count
    both_wrong: Count | None = None
    unchanged: Count | None = None
    regression: Count
    nfr: Estimate
    pfr: Estimate
    nfr_mc: Estimate = UNDEFINED
    nfr_of_old_right: Estimate = UNDEFINED
    nfi: Estimate = UNDEFINED
    btc: Estimate = UNDEFINED
    nfr_of_chance: Estimate = UNDEFINED
    nfr_mc_of_chance: Estimate = UNDEFINED
    mean_gain: Estimate = UNDEFINED
    mean_regression: Estimate = UNDEFINED
    delta_score: Estimate
    mcnemar_p: float | None = None
    sign_p: float | None = None
    smallest_difference: float | None = None


def discrete_flips(tally: Tally, a: int, chance: float | None) -> Flips:
    """What model `a` of the tally changed against old.

    chance: mean of 1 / (number of choices - 1) over samples, None if the answers are not choices.
    """
    counts = {name: tally.count(f"{name}.{a}") for name in ("both_right", "gain", "both_wrong", "regression")}
    single = tally.counted
    return Flips(
        **counts,
        nfr=tally.rate(f"regression.{a}"),
        pfr=tally.rate(f"gain.{a}"),
        nfr_mc=tally.rate(f"changed.{a}") if f"changed.{a}" in tally.sums else UNDEFINED,
        nfr_of_old_right=tally.rate(f"regression.{a}", "score.0"),
        nfi=tally.rate(f"regression.{a}", f"wrong.{a}"),
        btc=tally.rate(f"both_right.{a}", "score.0"),
        nfr_of_chance=_of_chance(tally, f"regression.{a}", _chance_flips(tally, a)),
        nfr_mc_of_chance=_changed_of_chance(tally, a, chance),
        delta_score=tally.difference(f"score.{a}", "score.0", f"both_right.{a}"),
        mcnemar_p=mcnemar_exact(int(counts["gain"]), int(counts["regression"])) if single else None,
        smallest_difference=smallest_difference(tally.sums[f"square.{a}"] / tally.n, tally.n),
    )


def _chance_flips(tally: Tally, a: int) -> Array:
    """NFR that two unrelated models of these accuracies would have."""
    return tally.means["score.0"] * tally.means[f"wrong.{a}"]


def _changed_of_chance(tally: Tally, a: int, chance: float | None) -> Estimate:
    """NFR_mc relative to two unrelated models whose mistakes spread evenly over the wrong choices."""
    if chance is None or f"changed.{a}" not in tally.sums:
        return UNDEFINED
    both_wrong = (1 - tally.means["score.0"]) * tally.means[f"wrong.{a}"]
    return _of_chance(tally, f"changed.{a}", _chance_flips(tally, a) + both_wrong * (1 - chance))


def _of_chance(tally: Tally, top: str, chance: Array) -> Estimate:
    """A rate relative to chance; if no resample varied, with the bounds of the rate over the chance observed."""
    found, rate = estimate(ratio(tally.means[top], chance)), tally.rate(top)
    if found.low is None or found.high is None or found.high - found.low > NO_WIDTH:
        return found
    assert rate.low is not None
    assert rate.high is not None
    return Estimate(found.value, rate.low / float(chance[0]), rate.high / float(chance[0]))


def continuous_flips(tally: Tally, a: int) -> Flips:
    """What model `a` of the tally changed against old."""
    gain, regression = tally.count(f"gain.{a}"), tally.count(f"regression.{a}")
    return Flips(
        gain=gain,
        unchanged=tally.count(f"unchanged.{a}"),
        regression=regression,
        nfr=tally.rate(f"regression.{a}"),
        pfr=tally.rate(f"gain.{a}"),
        mean_gain=_mean_size(tally, f"gain_size.{a}", f"gain.{a}"),
        mean_regression=_mean_size(tally, f"regression_size.{a}", f"regression.{a}"),
        delta_score=tally.difference(f"score.{a}", "score.0"),
        sign_p=mcnemar_exact(int(gain), int(regression)) if tally.counted else None,
        smallest_difference=smallest_difference(tally.sums[f"square.{a}"] / tally.n, tally.n),
    )


def _mean_size(tally: Tally, sizes: str, which: str) -> Estimate:
    """Mean size of the differences that count, all above zero."""
    found = estimate(ratio(tally.means[sizes], tally.means[which]))
    return bounded(found, tally.sums[which], tally.columns[sizes])
