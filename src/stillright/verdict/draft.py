"""A first policy for an update: limits from what its results show, each with a comment, as text for people to edit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

from stillright.comparison import Comparison

PERCENT = 100
ENOUGH = 0.9  # of the samples seen: fewer judge no limit


def draft_policy(comparison: Comparison, slices: Sequence[str] = ()) -> str:
    """The YAML of a policy that this update would pass, on all samples and on each of `slices`."""
    seen = comparison.n + comparison.unscored + comparison.missing
    unscored = math.ceil(PERCENT * (seen - comparison.n) / seen) / PERCENT
    names = f"{_name(comparison.old.name)} and {_name(comparison.new.name)}"
    return f"""\
# What an update must keep; docs/ci.md explains every key. Drafted from {comparison.n:,} samples of
# {names}, whose update would pass: make it stricter.
limits:
{_limits(comparison, slices)}

# With fewer samples the gate cannot tell.
min_n: {max(1, math.floor(ENOUGH * comparison.n))}

# The share of samples that may be unscored or missing.
max_unscored: {unscored:g}

# Ids that must be answered right, whatever the averages say.
must_pass: []
"""


def _limits(comparison: Comparison, slices: Sequence[str]) -> str:
    nfr, change, lower = comparison.nfr, comparison.delta_score, bool(comparison.lower_is_better)
    found = nfr.shown(scale=PERCENT, unit=" %")
    lines = [
        f"  # Lost answers, as a fraction of all samples. Found: {found}; the worse end is compared.",
        f"  - {{metric: nfr, max: {_above(nfr.high)}}}",
    ]
    worse = change.high if lower else change.low
    if worse is not None:
        bound = f"max: {_rounded(worse, math.ceil):g}" if lower else f"min: {_rounded(worse, math.floor):g}"
        lines += [
            f"  # The change of the score. Found: {change.shown('+')}; again the worse end.",
            f"  - {{metric: delta_score, {bound}}}",
        ]
    for column in slices:
        parts = [part for part in comparison.slices if part.column == column]
        highest, fewest = max(part.nfr.value or 0.0 for part in parts), min(part.n for part in parts)
        keys = f"metric: nfr, max: {_above(highest)}, bound: value, slice: {_name(column)}, min_n: {fewest}"
        lines += [
            f"  # The same for each value of a column. Found: at most {PERCENT * highest:.2f} %; of few samples, so",
            "  # the point is compared.",
            f"  - {{{keys}}}",
        ]
    return "\n".join(lines)


def _above(worst: float | None) -> str:
    """The next whole percent, and less than all samples, which would limit nothing."""
    return f"{min(max(_rounded(worst or 0.0, math.ceil), 1 / PERCENT), 0.99):g}"


def _rounded(value: float, to: Callable[[float], int]) -> float:
    """`value` to whole percents, up or down."""
    return to(PERCENT * value) / PERCENT


def _name(text: str) -> str:
    """On one line, whatever a file calls it."""
    return json.dumps(text, ensure_ascii=True)
