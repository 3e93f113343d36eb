"""Limits on metrics, over all samples, over slices of them, and over the tasks of a suite.

A limit on many slices or tasks is many tests, of which some fail by chance. With `adjust: holm` one fails only if its
samples show that the true value breaks the limit, with a p-value adjusted for all such tests of the policy (Holm,
1979): so if every true value keeps its limit, the gate fails by chance in at most ALPHA of cases.
"""

from __future__ import annotations

from collections.abc import Sequence

from stillright.config import Policy
from stillright.significance import binomial_tail, holm, normal_tail
from stillright.stats import FEWEST, Estimate
from stillright.verdict.check import Check
from stillright.verdict.enough import too_little_power
from stillright.verdict.places import Bound, Place

ALPHA = 0.05  # of false alarms on slices, with adjust: holm
ENDS = {"high": "upper end", "low": "lower end", "value": "value"}


def limit_checks(policy: Policy, places: Sequence[Place]) -> list[Check]:
    """A check for each place that a limit is held against."""
    checks = [_limit_check(policy, place) for place in places]
    on_parts = [i for i, check in enumerate(checks) if places[i].is_part and check.outcome != "cannot tell"]
    adjusts = [i for i in on_parts if policy.adjust == "holm" and places[i].limit.bound == "pessimistic"]
    adjusts = [i for i in adjusts if places[i].limit.metric != "largest_drop"]  # which is known, not estimated
    adjusted = dict(zip(adjusts, holm([_p_of_keeping(places[i]) for i in adjusts]), strict=True))
    for i in on_parts:
        if i in adjusted:
            checks[i] = _tested(places[i], checks[i], adjusted[i], len(adjusts))
        elif len(on_parts) > 1:
            made = f"one of {len(on_parts):,} tests on {_parts(places[i])}, not adjusted for their number"
            checks[i] = checks[i].model_copy(update={"tests": len(on_parts), "reason": f"{checks[i].reason}; {made}"})
    return checks


def _parts(place: Place) -> str:
    return "slices" if place.task is None else "tasks"


def _rule(limit: Bound) -> str:
    return f"{'<=' if limit.max is not None else '>='} {limit.threshold:g}"


def _limit_check(policy: Policy, place: Place) -> Check:
    limit, estimate, where = place.limit, place.estimate, place.where
    least, power = limit.min_n or policy.min_n, policy.power_of(limit.power, limit.true_value)
    rule = _rule(limit)
    held: float | None = getattr(estimate, limit.end, None)
    known = {
        "name": f"{limit.metric}, {ENDS[limit.end]} {rule}{where}",
        "rule": f"{limit.metric} {'max' if limit.max is not None else 'min'}, {ENDS[limit.end]}{where}",
        "task": place.task,
        "metric": limit.metric,
        "estimate": estimate,
        "held": held,
        "n": place.n,
    }
    if place.n < least:
        return Check(outcome="cannot tell", reason=f"{place.n:,} samples are fewer than {least:,}", **known)
    if estimate is not None and held is None and estimate.value is not None:
        return Check(outcome="cannot tell", reason=_too_few(place, estimate.value), **known)
    if held is None or estimate is None or estimate.value is None:
        why = f"; {place.undefined}" if place.undefined else ""
        return Check(outcome="cannot tell", reason=f"{limit.metric} is undefined here{why}", **known)
    if power is not None and (blind := too_little_power(place, power)):
        return Check(outcome="cannot tell", reason=f"{blind}; {_numbers(place, estimate)}", **known)
    kept = held <= limit.threshold if limit.max is not None else held >= limit.threshold
    reason = f"{held:.4f} {'is' if kept else 'is not'} {rule}{place.hint}; {_numbers(place, estimate)}"
    return Check(outcome="pass" if kept else "fail", reason=reason, **known)


def _too_few(place: Place, value: float) -> str:
    """Why an end of the interval cannot be compared: there is none."""
    rests = f"it rests on {place.resting:,} {place.unit}, and fewer than {FEWEST} are too few"
    return f"{place.limit.metric} = {value:.4f} has no interval: {rests}; bound: value compares the point"


def _numbers(place: Place, estimate: Estimate) -> str:
    ends = "" if estimate.low is None else f" [{estimate.low:.4f}, {estimate.high:.4f}]"
    return f"{place.limit.metric} = {estimate.value:.4f}{ends}, n = {place.n:,}"


def _tested(place: Place, check: Check, p: float, tests: int) -> Check:
    """The check of a slice or a task by a test of which `tests` are made, p adjusted for them."""
    limit, whole = place.limit, place.whole
    assert check.estimate is not None
    rule = _rule(limit)
    update = {"name": f"{limit.metric}, tested {rule}{place.where}", "held": None, "tests": tests, "p_adjusted": p}
    if whole is not None and tests * _p_of_share(limit, whole, whole if limit.max is not None else 0) >= ALPHA:
        reason = f"too few samples ({whole:,}) for any result to show in {tests:,} tests that it is not {rule}"
        return check.model_copy(update={**update, "outcome": "cannot tell", "reason": reason})
    shown = "is shown not to be" if p < ALPHA else "may well be"
    parts = _parts(place)
    many = f"one of {tests:,} tests on {parts}, adjusted for their number (Holm)"
    made = many if tests > 1 else f"the only {parts.removesuffix('s')}"
    reason = f"{limit.metric} {shown} {rule}, p = {p:.4f}; {_numbers(place, check.estimate)}; {made}"
    return check.model_copy(update={**update, "outcome": "fail" if p < ALPHA else "pass", "reason": reason})


def _p_of_keeping(place: Place) -> float:
    """One-sided p of the hypothesis that the true value keeps the limit: exact for shares of samples, else normal."""
    estimate, limit = place.estimate, place.limit
    assert estimate is not None
    assert estimate.value is not None
    if place.whole is not None:
        return _p_of_share(limit, place.whole, round(estimate.value * place.whole))
    end, sign = (estimate.low, 1) if limit.max is not None else (estimate.high, -1)
    beyond = sign * (estimate.value - limit.threshold)
    return 1.0 if beyond <= 0 or end is None else normal_tail(beyond, abs(estimate.value - end))


def _p_of_share(limit: Bound, whole: int, part: int) -> float:
    if limit.max is not None:
        return binomial_tail(part, whole, limit.threshold)
    return binomial_tail(whole - part, whole, 1 - limit.threshold)
