"""Limits on what answers cost: ratios of numeric columns."""

from __future__ import annotations

from collections.abc import Iterator

from stillright.comparison import Comparison
from stillright.config import Policy
from stillright.stats import FEWEST, Estimate
from stillright.verdict.check import Check, Outcome


def measure_checks(policy: Policy, comparison: Comparison) -> Iterator[Check]:
    """A check for each measure of the policy."""
    for measure in comparison.measures:
        if (limit := policy.measures.get(measure.column)) is None:
            continue
        found: Estimate = getattr(measure.models[0], limit.metric)
        held = found.high if limit.bound == "pessimistic" else found.value
        end = "upper end" if limit.bound == "pessimistic" else "value"
        outcome, reason = _judged(found, held, limit.most, measure.n)
        yield Check(
            name=f"{measure.column} {limit.metric}, {end} <= {limit.most:g}",
            rule=f"{measure.column} {limit.metric} max, {end}",
            outcome=outcome,
            reason=reason,
            metric=f"{measure.column} {limit.metric}",
            estimate=found,
            held=held,
            n=measure.n,
        )


def _judged(found: Estimate, held: float | None, most: float, n: int) -> tuple[Outcome, str]:
    if found.value is None:
        return "cannot tell", "the ratio is undefined here: a mean of old, or a value, is 0"
    if held is None:
        return "cannot tell", f"{found.shown()}: {n:,} samples, and fewer than {FEWEST} (or clusters) are too few"
    kept = held <= most
    return (
        "pass" if kept else "fail",
        f"{held:.4f} {'is' if kept else 'is not'} <= {most:g}; {found.shown()}, n = {n:,}",
    )
