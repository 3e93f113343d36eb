"""What changed between two models: quadrants, flips, smooth gain and regression, each with its interval.

Knows the columns of a Tally; knows neither files nor how results are shown. Formulas: Echterhoff et al., 2024,
section 3; docs/metrics.md defines each.
"""

from __future__ import annotations

from pydantic import BaseModel

from stillright.comparison.tally import Tally
from stillright.power import smallest_difference, smallest_shown_rate
from stillright.stats import UNDEFINED, Estimate, over

Count = int | float  # a mean where a model has several runs


class Flips(BaseModel, frozen=True):
    """What changed between two models. Counts sum to n; metrics that are undefined, or of the other kind, are None.

    Where a model has several runs, counts and rates are means over pairs of runs.
    """

    both_right: Count | None = None
    gain: Count
    both_wrong: Count | None = None
    unchanged: Count | None = None
    regression: Count
    nfr: Estimate
    pfr: Estimate
    nfr_mc: Estimate = UNDEFINED
    answer_changed: Estimate = UNDEFINED
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
    smallest_nfr: float | None = None

    @property
    def p(self) -> float | None:
        """Of "one model is right (continuous: better) as often as the other": McNemar's, or the sign test's."""
        return self.mcnemar_p if self.sign_p is None else self.sign_p


def discrete_flips(tally: Tally, a: int, same_mistake: float | None) -> Flips:
    """What model `a` of the tally changed against old.

    same_mistake: how often two unrelated models that are both wrong give one answer; None if answers are not choices.
    """
    counts = {name: tally.count(f"{name}.{a}") for name in ("both_right", "gain", "both_wrong", "regression")}
    flip, changed, answer_changed = f"regression.{a}", f"changed.{a}", f"answer_changed.{a}"
    known = changed in tally.sums
    return Flips(
        **counts,
        nfr=tally.rate(flip),
        pfr=tally.rate(f"gain.{a}"),
        nfr_mc=tally.rate(changed) if known else UNDEFINED,
        answer_changed=tally.rate(answer_changed) if answer_changed in tally.sums else UNDEFINED,
        nfr_of_old_right=tally.rate(flip, "score.0"),
        nfi=tally.rate(flip, f"wrong.{a}"),
        btc=tally.rate(f"both_right.{a}", "score.0"),
        nfr_of_chance=_of_chance(tally, a, flip, 1.0),
        nfr_mc_of_chance=_of_chance(tally, a, changed, same_mistake) if known and same_mistake else UNDEFINED,
        delta_score=tally.difference(f"score.{a}", "score.0", f"both_right.{a}"),
        mcnemar_p=tally.p(f"gain.{a}", flip),
        smallest_difference=_smallest_difference(tally, a),
        smallest_nfr=_smallest_nfr(tally, a),
    )


def _of_chance(tally: Tally, a: int, rate: str, same_mistake: float) -> Estimate:
    """A rate relative to that of two unrelated models of these accuracies, of whose common mistakes some are equal."""
    old, wrong = tally.share("score.0"), tally.share(f"wrong.{a}")
    return over(tally.rate(rate), old * wrong + (1 - old) * wrong * (1 - same_mistake))


def continuous_flips(tally: Tally, a: int) -> Flips:
    """What model `a` of the tally changed against old."""
    gain, regression = tally.count(f"gain.{a}"), tally.count(f"regression.{a}")
    return Flips(
        gain=gain,
        unchanged=tally.count(f"unchanged.{a}"),
        regression=regression,
        nfr=tally.rate(f"regression.{a}"),
        pfr=tally.rate(f"gain.{a}"),
        mean_gain=tally.mean_size(f"gain_size.{a}", f"gain.{a}"),
        mean_regression=tally.mean_size(f"regression_size.{a}", f"regression.{a}"),
        delta_score=tally.difference(f"score.{a}", "score.0"),
        sign_p=tally.p(f"gain.{a}", f"regression.{a}"),
        smallest_difference=_smallest_difference(tally, a),
        smallest_nfr=_smallest_nfr(tally, a),
    )


def _smallest_difference(tally: Tally, a: int) -> float | None:
    """The least true difference in score of model `a` from old that so many samples would show; see power."""
    variance = tally.sums[f"square.{a}"] / tally.n
    if tally.clusters is not None:
        variance *= tally.clusters.design_effect(tally.columns[f"score.{a}"] - tally.columns["score.0"]) or 1.0
    return smallest_difference(variance, tally.n)


def _smallest_nfr(tally: Tally, a: int) -> float | None:
    """The least true NFR of which so many samples would show any; None with several runs.

    Samples in clusters are worth fewer by the design effect, or one a cluster where no flip tells it.
    """
    if not tally.counted:
        return None
    worth = float(tally.n)
    if tally.clusters is not None:
        effect = tally.clusters.design_effect(tally.columns[f"regression.{a}"])
        worth = len(tally.clusters.sizes) if effect is None else tally.n / max(1.0, effect)
    return smallest_shown_rate(worth)
