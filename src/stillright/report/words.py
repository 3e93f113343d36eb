"""How numbers and verdicts are worded, the same in every report."""

from __future__ import annotations

from functools import partial

from stillright.comparison import Account, Candidate, Comparison, Flips, ModelScore
from stillright.stats import Estimate

DASH = "-"

# field of Flips -> what people read; a row is shown only if some model has a value
METRICS = {
    "nfr": "negative flips (NFR)",
    "pfr": "positive flips (PFR)",
    "nfr_mc": "NFR_mc (+ changed mistakes)",
    "nfr_of_old_right": "NFR of old's right answers",
    "nfi": "negative flips in new errors (NFI)",
    "btc": "old's right answers kept (BTC)",
    "nfr_of_chance": "NFR, as share of chance",
    "nfr_mc_of_chance": "NFR_mc, as share of chance",
    "mean_gain": "mean gain",
    "mean_regression": "mean regression",
}
SIZES = ("mean_gain", "mean_regression")  # on the scale of the score
COUNTS = {
    "both_right": "both right",
    "gain": "gained",
    "both_wrong": "both wrong",
    "unchanged": "unchanged",
    "regression": "lost",
}


def percent(estimate: Estimate | None, sign: str = "") -> str:
    """ "4.60 % [3.50, 6.05]", a dash if undefined; with `sign` "+", "+4.60 % [+3.50, +6.05]"."""
    return _interval(estimate, sign, 100, " %")


def points(estimate: Estimate | None) -> str:
    """A difference of two rates in percentage points: "-0.40 [-1.20, +0.35]"."""
    return _interval(estimate, "+", 100, "")


def _interval(estimate: Estimate | None, sign: str, scale: int, unit: str) -> str:
    if estimate is None or estimate.value is None:
        return DASH
    if estimate.low is None or estimate.high is None:
        return f"{scale * estimate.value:{sign}.2f}{unit}"
    value, low, high = (f"{scale * number:{sign}.2f}" for number in (estimate.value, estimate.low, estimate.high))
    return f"{value}{unit} [{low}, {high}]"


def are_fractions(comparison: Comparison) -> bool:
    """Whether scores are shown in percent: in logs they may be on any scale."""
    means = [comparison.old.score, comparison.new.score, *(candidate.score for candidate in comparison.candidates)]
    sizes = [getattr(flips, size).value or 0.0 for _, flips in models(comparison) for size in SIZES]
    return all(0 <= value <= 1 for value in (*means, *sizes))


def score(comparison: Comparison, estimate: Estimate | None) -> str:
    """A score: "46.00 % [44.10, 47.90]", or "46.00 [44.10, 47.90]" on its own scale."""
    return _interval(estimate, "", *((100, " %") if are_fractions(comparison) else (1, "")))


def score_change(comparison: Comparison, estimate: Estimate | None) -> str:
    """A difference of two scores: "-0.40 [-1.20, +0.35] points", without "points" on their own scale."""
    if are_fractions(comparison):
        return f"{points(estimate)} points"
    return _interval(estimate, "+", 1, "")


def p_value(p: float | None) -> str:
    """ "p = 0.012", "p < 0.0001"."""
    return DASH if p is None else "p < 0.0001" if p < 1e-4 else f"p = {p:.4f}"


def count(value: float) -> str:
    """ "1,024", or "12.50" for a mean over runs."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def models(account: Account) -> list[tuple[str, Flips]]:
    """Name of new and of each candidate, and their flips against old."""
    return [
        (account.new.name, account.comparison),
        *((candidate.name, candidate.comparison) for candidate in account.candidates),
    ]


def metric_rows(comparison: Comparison) -> list[list[str]]:
    """Rows of the main table: first the score, then each metric that some model has, one cell per model (old first)."""
    scores = [side.score_interval for side in (comparison.old, comparison.new)]
    scores += [candidate.score_interval for candidate in comparison.candidates]
    rows = [[comparison.metric or "score", *(score(comparison, each) for each in scores)]]
    for field, label in METRICS.items():
        worded = partial(score, comparison) if field in SIZES else percent
        cells = [worded(getattr(flips, field)) for _, flips in models(comparison)]
        if set(cells) != {DASH}:
            rows.append([label, "", *cells])
    return rows + _noise_rows(comparison) + _delta_rows(comparison)


def _noise_rows(comparison: Comparison) -> list[list[str]]:
    if comparison.nfr_above_noise is None:
        return []
    blank = [""] * len(comparison.candidates)
    noise = [percent(side.noise) for side in (comparison.old, comparison.new)]
    return [
        ["noise floor (NFR of own reruns)", *noise, *blank],
        ["NFR above the noise (points)", "", points(comparison.nfr_above_noise), *blank],
    ]


def _delta_rows(comparison: Comparison) -> list[list[str]]:
    if not comparison.candidates:
        return []
    name = comparison.metric or "score"
    changes = [score_change(comparison, candidate.delta_score) for candidate in comparison.candidates]
    rows = {
        f"{name}, against new{' (points)' if are_fractions(comparison) else ''}": [
            change.removesuffix(" points") for change in changes
        ],
        "NFR, against new (points)": [points(candidate.delta_nfr) for candidate in comparison.candidates],
        "NFR, against new (relative)": [percent(c.delta_nfr_relative, "+") for c in comparison.candidates],
    }
    return [[label, "", "", *cells] for label, cells in rows.items()]


def count_rows(comparison: Comparison) -> list[list[str]]:
    """Quadrants (three parts for continuous results): one row per part, one cell per model after old."""
    kept = {field: label for field, label in COUNTS.items() if getattr(comparison.comparison, field) is not None}
    return [
        [label, *(count(getattr(flips, field)) for _, flips in models(comparison))] for field, label in kept.items()
    ]


SLICE_HEAD = ["slice", "n", "old", "new", "lost", "gained", "NFR", "p, adjusted"]


def slice_rows(comparison: Comparison) -> list[list[str]]:
    """One row per slice, under SLICE_HEAD; the most significant first."""
    ordered = sorted(comparison.slices, key=lambda part: (part.p is None, part.p))
    return [
        [
            f"{part.column} = {part.value}",
            f"{part.n:,}",
            *(score(comparison, Estimate(side.score, None, None)) for side in (part.old, part.new)),
            count(part.comparison.regression),
            count(part.comparison.gain),
            percent(part.comparison.nfr),
            p_value(part.p_adjusted).removeprefix("p = ").removeprefix("p "),
        ]
        for part in ordered
    ]


def movement_rows(comparison: Comparison) -> list[list[str]]:
    """How alike old and new outputs are, over all samples and by part."""
    moved = comparison.movement
    if moved is None:
        return []
    parts = [[COUNTS[name], percent(value)] for name, value in moved.parts.items()]
    return [["all", percent(moved.similarity)], *parts]


def sources(comparison: Comparison) -> list[tuple[str, str]]:
    """Name and origin of every model whose file records them: "model: base+adapter; dtype: bfloat16"."""
    return [
        (name, "; ".join(f"{key}: {value}" for key, value in source.items()))
        for name, source in comparison.sources.items()
    ]


def samples_line(comparison: Comparison) -> str:
    """How many samples the numbers are based on, and which were left out."""
    parts = [f"n = {comparison.n:,}"]
    if comparison.unscored:
        parts.append(f"{comparison.unscored:,} unscored")
    if comparison.missing and comparison.on_missing == "drop":
        parts.append(f"{comparison.missing:,} missing in some file, dropped")
    if comparison.counted_wrong:
        parts.append(f"{comparison.counted_wrong:,} missing or unscored in some file, counted as wrong there")
    runs = [side.runs for side in (comparison.old, comparison.new)]
    if max(runs) > 1:
        parts.append(f"{runs[0]} x {runs[1]} runs, means over pairs")
    return ", ".join(parts)


def update_verdict(comparison: Comparison) -> str:
    """What the plain update did, in one sentence that claims no more than interval and test."""
    flips, old, new = comparison.comparison, comparison.old, comparison.new
    p = flips.mcnemar_p  # the sign test of scores counts losses and gains, and tells nothing about their mean
    delta = f"{comparison.metric or 'score'} {score_change(comparison, flips.delta_score)}{_tested(p)}"
    lost = f"{count(flips.regression)} of {comparison.n:,} answers (NFR {percent(flips.nfr)})"
    counted = "" if flips.sign_p is None else f" (sign test of these counts: {p_value(flips.sign_p)})"
    return (
        f"{new.name} {_direction(flips.delta_score, p, old)}: {delta}; it loses {lost} and gains "
        f"{count(flips.gain)}{counted}."
    )


def _tested(p: float | None) -> str:
    return "" if p is None else f", {p_value(p)}"


def _direction(delta: Estimate, p: float | None, old: ModelScore) -> str:
    """Better or worse only if both the interval and the test agree."""
    sure = p is None or p < 0.05
    if sure and delta.low is not None and delta.low > 0:
        return f"is better than {old.name}"
    if sure and delta.high is not None and delta.high < 0:
        return f"is worse than {old.name}"
    return f"shows no clear difference from {old.name} on average"


def power_line(comparison: Comparison) -> str:
    """What this many samples could have shown."""
    least = comparison.comparison.smallest_difference
    if least is None or 100 * least < 0.005:  # nothing varied, which tells nothing about other samples
        return ""
    if are_fractions(comparison) and least > 1:
        return "These samples are too few to show any difference reliably."
    shown = f"{100 * least:.2f} points" if are_fractions(comparison) else f"{least:.2f}"
    return f"With these samples, a true difference in score of {shown} would show in 8 of 10 tests."


def candidate_verdict(candidate: Candidate, comparison: Comparison) -> str:
    """What a candidate changed against the plain update, in one sentence that claims no more than the interval."""
    delta, new = candidate.delta_nfr, comparison.new.name
    if delta.low is None or delta.high is None:
        return f"{candidate.name}: nothing can be said about its flips."
    sure = candidate.delta_nfr_p is None or candidate.delta_nfr_p < 0.05
    if sure and delta.high < 0:
        claim = f"loses fewer answers than {new}"
    elif sure and delta.low > 0:
        claim = f"loses more answers than {new}"
    else:
        claim = f"shows no clear change in lost answers against {new}"
    tested = "" if candidate.delta_nfr_p is None else f", {p_value(candidate.delta_nfr_p)}"
    return (
        f"{candidate.name} {claim}: NFR {points(delta)} points{tested}; score "
        f"{score_change(comparison, candidate.delta_score)}."
    )


def verdicts(comparison: Comparison) -> list[str]:
    """One sentence for the update, one for each candidate."""
    candidates = [candidate_verdict(candidate, comparison) for candidate in comparison.candidates]
    return [update_verdict(comparison), *candidates]
