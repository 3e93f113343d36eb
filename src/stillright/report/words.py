"""How numbers and verdicts are worded, the same in every report."""

from __future__ import annotations

from stillright.compare import Candidate, Comparison, Flips
from stillright.stats import Estimate

DASH = "-"

# field of Flips -> what people read; a row stands only where some model has a value
METRICS = {
    "nfr": "negative flips (NFR)",
    "pfr": "positive flips (PFR)",
    "nfr_mc": "NFR_mc (+ changed mistakes)",
    "nfr_of_old_right": "NFR of old's right answers",
    "nfi": "negative flips in new errors (NFI)",
    "btc": "old's right answers kept (BTC)",
    "mean_gain": "mean gain",
    "mean_regression": "mean regression",
}
COUNTS = {
    "both_right": "both right",
    "gain": "gained",
    "both_wrong": "both wrong",
    "unchanged": "unchanged",
    "regression": "lost",
}


def percent(estimate: Estimate, sign: str = "") -> str:
    """ "4.60 % [3.50, 6.05]", a dash where undefined; with `sign` "+", "+4.60 % [+3.50, +6.05]"."""
    return _interval(estimate, sign, " %")


def points(estimate: Estimate) -> str:
    """A difference of two rates in percentage points: "-0.40 [-1.20, +0.35]"."""
    return _interval(estimate, "+", "")


def _interval(estimate: Estimate, sign: str, unit: str) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return DASH
    value, low, high = (f"{100 * number:{sign}.2f}" for number in (estimate.value, estimate.low, estimate.high))
    return f"{value}{unit} [{low}, {high}]"


def models(comparison: Comparison) -> list[tuple[str, Flips]]:
    """Name and flips against old, of new and of every candidate."""
    return [
        (comparison.new.name, comparison.comparison),
        *((candidate.name, candidate.comparison) for candidate in comparison.candidates),
    ]


def metric_rows(comparison: Comparison) -> list[list[str]]:
    """Rows of the main table: first the score, then each metric that some model has, one cell a model (old first)."""
    scores = [side.score_interval for side in (comparison.old, comparison.new)]
    scores += [candidate.score_interval for candidate in comparison.candidates]
    rows = [[comparison.metric or "score", *map(percent, scores)]]
    for field, label in METRICS.items():
        cells = [percent(getattr(flips, field)) for _, flips in models(comparison)]
        if set(cells) != {DASH}:
            rows.append([label, "", *cells])
    rows += _delta_rows(comparison)
    return rows


def _delta_rows(comparison: Comparison) -> list[list[str]]:
    if not comparison.candidates:
        return []
    score = comparison.metric or "score"
    rows = {
        f"{score}, against new (points)": [points(candidate.delta_score) for candidate in comparison.candidates],
        "NFR, against new (points)": [points(candidate.delta_nfr) for candidate in comparison.candidates],
        "NFR, against new (relative)": [percent(c.delta_nfr_relative, "+") for c in comparison.candidates],
    }
    return [[label, "", "", *cells] for label, cells in rows.items()]


def count_rows(comparison: Comparison) -> list[list[str]]:
    """Quadrants (three parts for continuous results): one row a part, one cell a model after old."""
    kept = {field: label for field, label in COUNTS.items() if getattr(comparison.comparison, field) is not None}
    return [
        [label, *(f"{getattr(flips, field):,}" for _, flips in models(comparison))] for field, label in kept.items()
    ]


def update_verdict(comparison: Comparison) -> str:
    """What the plain update did, in one sentence."""
    flips = comparison.comparison
    change = 100 * (comparison.new.score - comparison.old.score)
    return (
        f"The update moved {comparison.metric or 'the score'} by {change:+.2f} points and lost "
        f"{flips.regression:,} of {comparison.n:,} answers (NFR {percent(flips.nfr)}), gaining {flips.gain:,}."
    )


def candidate_verdict(candidate: Candidate) -> str:
    """What a candidate changed against the plain update, in one sentence that claims no more than the interval."""
    delta = candidate.delta_nfr
    if delta.low is None or delta.high is None:
        return f"{candidate.name}: nothing can be said about its flips."
    if delta.high < 0:
        claim = "loses fewer answers than the plain update"
    elif delta.low > 0:
        claim = "loses more answers than the plain update"
    else:
        claim = "shows no clear change in lost answers (the interval holds zero)"
    return f"{candidate.name} {claim}: NFR {points(delta)} points, score {points(candidate.delta_score)} points."


def verdicts(comparison: Comparison) -> list[str]:
    """One sentence for the update, one for each candidate."""
    return [update_verdict(comparison), *(candidate_verdict(candidate) for candidate in comparison.candidates)]
