"""Limits on metrics, over all samples and over slices of them.

A limit on many slices is many tests, of which some fail by chance. With `adjust: holm` a slice fails only if its
samples show that the true value breaks the limit, with a p-value adjusted for all such tests of the policy (Holm,
1979): so if every true value keeps its limit, the gate fails by chance in at most ALPHA of cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stillright.comparison import Comparison, Slice
from stillright.config import Limit, Policy
from stillright.errors import ConfigError
from stillright.significance import binomial_tail, holm, normal_tail
from stillright.stats import FEWEST, Estimate
from stillright.verdict.check import Check

ALPHA = 0.05  # of false alarms on slices, with adjust: holm
ENDS = {"high": "upper end", "low": "lower end", "value": "value"}


class Place(NamedTuple):
    """A limit and the samples that it is held against; where: " where COLUMN = VALUE" of a slice, else empty."""

    limit: Limit
    account: Comparison | Slice
    where: str


def limit_checks(policy: Policy, comparison: Comparison) -> list[Check]:
    """A check for each limit on all samples, and for each slice of one. Raises ConfigError for an empty slice."""
    places = [place for limit in policy.limits for place in _places(limit, comparison)]
    checks = [_limit_check(place, place.limit.min_n or policy.min_n) for place in places]
    on_slices = [i for i, check in enumerate(checks) if places[i].where and check.outcome != "cannot tell"]
    adjusts = [i for i in on_slices if policy.adjust == "holm" and places[i].limit.bound == "pessimistic"]
    adjusted = dict(zip(adjusts, holm([_p_of_keeping(places[i], checks[i].estimate) for i in adjusts]), strict=True))
    for i in on_slices:
        if i in adjusted:
            checks[i] = _tested(places[i], checks[i], adjusted[i], len(adjusts))
        elif len(on_slices) > 1:
            reason = f"{checks[i].reason}; one of {len(on_slices):,} tests on slices, not adjusted for their number"
            checks[i] = checks[i].model_copy(update={"tests": len(on_slices), "reason": reason})
    return checks


def _places(limit: Limit, comparison: Comparison) -> Iterator[Place]:
    if limit.slice is None:
        yield Place(limit, comparison, "")
        return
    slices = [part for part in comparison.slices if limit.covers(part.column, part.value)]
    if not slices:
        known = ", ".join(f"{part.column}={part.value}" for part in comparison.slices if part.column == limit.column)
        raise ConfigError(f"policy: no sample is in the slice {limit.slice!r}; there are: {known or 'none'}")
    for part in slices:
        yield Place(limit, part, f" where {part.column} = {part.value}")


def _rule(limit: Limit) -> str:
    return f"{'<=' if limit.max is not None else '>='} {limit.threshold:g}"


def _limit_check(place: Place, least: int) -> Check:
    limit, account, where = place
    rule = _rule(limit)
    of_all = {"score": account.new.score_interval, "nfr_above_noise": account.nfr_above_noise}
    estimate: Estimate | None = (of_all | dict(account.comparison))[limit.metric]
    held: float | None = getattr(estimate, limit.end, None)
    known = {
        "name": f"{limit.metric}, {ENDS[limit.end]} {rule}{where}",
        "metric": limit.metric,
        "estimate": estimate,
        "held": held,
        "n": account.n,
    }
    if account.n < least:
        return Check(outcome="cannot tell", reason=f"{account.n:,} samples are fewer than {least:,}", **known)
    if estimate is not None and held is None and estimate.value is not None:
        return Check(outcome="cannot tell", reason=_too_few(limit.metric, estimate.value, account), **known)
    if held is None or estimate is None or estimate.value is None:
        hint = "; it needs reruns of old or new" if limit.metric == "nfr_above_noise" else ""
        return Check(outcome="cannot tell", reason=f"{limit.metric} is undefined here{hint}", **known)
    kept = held <= limit.threshold if limit.max is not None else held >= limit.threshold
    reason = f"{held:.4f} {'is' if kept else 'is not'} {rule}; {_numbers(place, estimate)}"
    return Check(outcome="pass" if kept else "fail", reason=reason, **known)


def _too_few(metric: str, value: float, account: Comparison | Slice) -> str:
    """Why an end of the interval cannot be compared: there is none."""
    if account.clusters is not None:
        rests = f"it rests on {account.clusters.count:,} clusters at most, and fewer than {FEWEST} are too few"
        return f"{metric} = {value:.4f} has no interval: {rests}; bound: value compares the point"
    resting = {"mean_gain": account.comparison.gain, "mean_regression": account.comparison.regression}
    rests = f"it rests on {resting.get(metric, account.n):,} samples, and fewer than {FEWEST} are too few"
    return f"{metric} = {value:.4f} has no interval: {rests}; bound: value compares the point"


def _numbers(place: Place, estimate: Estimate) -> str:
    ends = "" if estimate.low is None else f" [{estimate.low:.4f}, {estimate.high:.4f}]"
    return f"{place.limit.metric} = {estimate.value:.4f}{ends}, n = {place.account.n:,}"


def _tested(place: Place, check: Check, p: float, tests: int) -> Check:
    """The check of a slice by a test of which `tests` are made, p adjusted for them."""
    limit = place.limit
    assert check.estimate is not None
    rule, whole = _rule(limit), _whole(place)
    update = {"name": f"{limit.metric}, tested {rule}{place.where}", "held": None, "tests": tests, "p_adjusted": p}
    if whole is not None and tests * _p_of_share(limit, whole, whole if limit.max is not None else 0) >= ALPHA:
        reason = f"too few samples ({whole:,}) for any result to show in {tests:,} tests that it is not {rule}"
        return check.model_copy(update={**update, "outcome": "cannot tell", "reason": reason})
    shown = "is shown not to be" if p < ALPHA else "may well be"
    made = f"one of {tests:,} tests on slices, adjusted for their number (Holm)" if tests > 1 else "the only slice"
    reason = f"{limit.metric} {shown} {rule}, p = {p:.4f}; {_numbers(place, check.estimate)}; {made}"
    return check.model_copy(update={**update, "outcome": "fail" if p < ALPHA else "pass", "reason": reason})


def _p_of_keeping(place: Place, estimate: Estimate | None) -> float:
    """One-sided p of the hypothesis that the true value keeps the limit: exact for shares of samples, else normal."""
    assert estimate is not None
    assert estimate.value is not None
    whole, limit = _whole(place), place.limit
    if whole is not None:
        return _p_of_share(limit, whole, round(estimate.value * whole))
    end, sign = (estimate.low, 1) if limit.max is not None else (estimate.high, -1)
    beyond = sign * (estimate.value - limit.threshold)
    return 1.0 if beyond <= 0 or end is None else normal_tail(beyond, abs(estimate.value - end))


def _p_of_share(limit: Limit, whole: int, part: int) -> float:
    if limit.max is not None:
        return binomial_tail(part, whole, limit.threshold)
    return binomial_tail(whole - part, whole, 1 - limit.threshold)


def _whole(place: Place) -> int | None:
    """How many samples the metric is a share of; None if it is no share, a mean over several runs, or of clusters."""
    flips, n = place.account.comparison, place.account.n
    lost, kept, wrong = flips.regression, flips.both_right, flips.both_wrong
    if not isinstance(lost, int) or place.account.clusters is not None:
        return None
    wholes = {"nfr": n, "pfr": n}
    if isinstance(kept, int) and isinstance(wrong, int):  # right or wrong answers
        of_old, of_new = {"nfr_of_old_right": kept + lost, "btc": kept + lost}, {"nfi": wrong + lost}
        wholes |= {"score": n, "nfr_mc": n, **of_old, **of_new}
    return wholes.get(place.limit.metric)
