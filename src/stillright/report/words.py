"""How numbers and verdicts are worded, the same in every report."""

from __future__ import annotations

from collections.abc import Sequence

from stillright.clusters import SURE
from stillright.comparison import Candidate, Comparison
from stillright.comparison.account import Grouping
from stillright.stats import FEWEST, TOO_FEW, Estimate

DASH = "-"

# field of Flips -> what people read; a row is shown only if some model has a value
METRICS = {
    "nfr": "negative flips (NFR)",
    "pfr": "positive flips (PFR)",
    "nfr_mc": "NFR_mc (+ changed mistakes)",
    "answer_changed": "another right answer",
    "nfr_of_old_right": "NFR of old's right answers",
    "nfi": "negative flips in new errors (NFI)",
    "btc": "old's right answers kept (BTC)",
    "nfr_of_chance": "NFR, as share of chance",
    "nfr_mc_of_chance": "NFR_mc, as share of chance",
    "mean_gain": "mean gain",
    "mean_regression": "mean regression",
}
MEANINGS = {  # for readers; docs/metrics.md has the formulas
    "nfr": "share of all samples whose answer was right before and is wrong now (of scores: worse now)",
    "pfr": "share of all samples whose answer was wrong before and is right now (of scores: better now)",
    "nfr_mc": "negative flips, and answers that were wrong before and are wrong in another way now",
    "answer_changed": "share of all samples that have another one of several right answers now",
    "nfr_of_old_right": "of the answers that were right before, the share that is lost",
    "nfi": "of the answers that are wrong now, the share that was right before",
    "btc": "of the answers that were right before, the share that still is",
    "nfr_of_chance": "100 % if there are as many flips as between two unrelated models of these accuracies",
    "nfr_mc_of_chance": "the same for NFR_mc",
    "mean_gain": "by how much the scores that got better did so, on average",
    "mean_regression": "by how much the scores that got worse did so, on average",
}
# field of Candidate -> what people read, and what it means
EXCHANGED = {
    "restored": (
        "answers restored, against new",
        "right before, wrong in new, right again here (of scores: worse in new alone)",
    ),
    "newly_lost": (
        "answers newly lost, against new",
        "right before and in new, wrong here (of scores: worse here alone)",
    ),
}
NOISE_FLOOR = "noise floor (NFR of own reruns)"
SIZES = ("mean_gain", "mean_regression")  # on the scale of the score
COUNTS = {
    "both_right": "both right",
    "gain": "gained",
    "both_wrong": "both wrong",
    "unchanged": "unchanged",
    "regression": "lost",
}


def percent(estimate: Estimate | float | None, sign: str = "") -> str:
    """ "4.60 % [3.50, 6.05]", a dash if undefined; with `sign` "+", "+4.60 % [+3.50, +6.05]".

    "4.60 % [too few]" without an interval, and "4.60 %" for a bare number, as in the other functions here.
    """
    return _interval(estimate, sign, 100, " %")


def points(estimate: Estimate | float | None) -> str:
    """A difference of two rates in percentage points: "-0.40 [-1.20, +0.35]"."""
    return _interval(estimate, "+", 100, "")


def ratio(estimate: Estimate) -> str:
    """ "1.08 [1.02, 1.15]", a dash if undefined."""
    return _interval(estimate, "", 1, "")


def _interval(estimate: Estimate | float | None, sign: str, scale: int, unit: str) -> str:
    if isinstance(estimate, float):
        return f"{scale * estimate:{sign}.2f}{unit}"
    if estimate is None or estimate.value is None:
        return DASH
    return estimate.shown(sign, scale, unit)


def are_fractions(comparison: Comparison) -> bool:
    """Whether scores are shown in percent: in logs they may be on any scale."""
    means = [model.score for model in comparison.models]
    sizes = [getattr(flips, size).value or 0.0 for _, flips in comparison.flips_by_model for size in SIZES]
    return all(0 <= value <= 1 for value in (*means, *sizes))


def score(comparison: Comparison, estimate: Estimate | float | None) -> str:
    """A score: "46.00 % [44.10, 47.90]", or "46.00 [44.10, 47.90]" on its own scale."""
    return percent(estimate) if are_fractions(comparison) else _interval(estimate, "", 1, "")


def score_change(comparison: Comparison, estimate: Estimate | float | None) -> str:
    """A difference of two scores: "-0.40 [-1.20, +0.35] points", without "points" on their own scale."""
    return f"{points(estimate)} points" if are_fractions(comparison) else _interval(estimate, "+", 1, "")


def p_value(p: float | None) -> str:
    """ "p = 0.012", "p < 0.0001"."""
    return DASH if p is None else "p < 0.0001" if p < 1e-4 else f"p = {p:.4f}"


def bare_p(p: float | None) -> str:
    """The same for a column: "0.012", "< 0.0001"."""
    return p_value(p).removeprefix("p = ").removeprefix("p ")


def _tested(p: float | None) -> str:
    return "" if p is None else f", {p_value(p)}"


def count(value: float) -> str:
    """ "1,024", or "12.50" for a mean over runs."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def note(comparison: Comparison) -> str:
    """What the numbers are based on, which samples were left out, and what this many could have shown."""
    parts = [f"n = {comparison.n:,}"]
    if comparison.unscored:
        parts.append(f"{comparison.unscored:,} unscored")
    if comparison.missing and comparison.on_missing == "drop":
        parts.append(f"{comparison.missing:,} missing in some file, dropped")
    if comparison.counted_wrong:
        parts.append(f"{comparison.counted_wrong:,} missing or unscored in some file, counted as wrong there")
    runs = [model.runs for model in (comparison.old, comparison.new)]
    if max(runs) > 1:
        parts.append(f"{runs[0]} x {runs[1]} runs, means over pairs")
    based_on = f"{', '.join(parts)}. Intervals are 95 %, of differences paired."
    could = (_power(comparison), _seen(comparison))
    further = (_clusters(comparison), _few(comparison), *could, _direction(comparison), _ids(comparison))
    return " ".join(filter(None, (based_on, *further, allowed(comparison.differences))))


def _few(comparison: Comparison) -> str:
    """What a report with "too few" means by it."""
    flips, candidates, likeness = comparison.flips_by_model, comparison.candidates, comparison.movement
    shown = [comparison.nfr_above_noise, *(model.score_interval for model in comparison.models)]
    shown += [getattr(each, name) for _, each in flips for name in (*METRICS, "delta_score")]
    shown += [change for each in candidates for change in (each.delta_score, each.delta_nfr, each.delta_nfr_relative)]
    shown += [] if likeness is None else [likeness.similarity, *likeness.parts.values()]
    few = any(each is not None and each.too_few for each in shown)
    those = "clusters have" if comparison.clusters else "samples has"
    what = "numbers from fewer" if comparison.clusters else "a mean of fewer"
    return f"{TOO_FEW.capitalize()}: {what} than {FEWEST} {those} no interval." if few else ""


def _clusters(comparison: Comparison) -> str:
    """Which samples belong together, what that does to intervals, and whether there are enough for them."""
    found = comparison.clusters
    return "" if found is None else grouping(found, comparison.cluster or "")


def grouping(found: Grouping, column: str) -> str:
    """The same of clusters by a column."""
    known = {"nfr": "NFR", "delta_score": "the change of score"}
    effects = [f"{effect:.2f} of {known[name]}" for name, effect in found.design_effect.items() if effect is not None]
    effect = f"; design effect {' and '.join(effects)}" if effects else ""
    few = f" Fewer than {SURE} clusters: intervals hold less surely." if FEWEST <= found.count < SURE else ""
    among = f"{found.count:,} clusters by {column}, the largest of {found.largest:,} samples"
    return f"Intervals and tests take clusters to be drawn, not samples: {among}{effect}.{few}"


def _direction(comparison: Comparison) -> str:
    """Where it is not the usual one, or not known, which direction of the score is better."""
    metric = comparison.metric or "scores"
    if comparison.lower_is_better is None:
        return f"Nothing says whether higher {metric} is better, and it is taken to be; if not, say --lower-is-better."
    return f"Lower {metric} is better." if comparison.lower_is_better else ""


def _ids(comparison: Comparison) -> str:
    joined_by_content = comparison.joined_by == "content"
    return (
        "The files number their samples differently, so samples are joined by what they ask."
        if joined_by_content
        else ""
    )


def allowed(differences: Sequence[str]) -> str:
    """What differs between the files and was allowed; nothing without differences."""
    return f"Allowed all the same: {'; '.join(differences)}." if differences else ""


def _power(comparison: Comparison) -> str:
    least = comparison.comparison.smallest_difference
    if least is None or 100 * least < 0.005:  # nothing varied, which tells nothing about other samples
        return ""
    if are_fractions(comparison) and least > 1:
        return "These samples are too few to show any difference reliably."
    size = f"{100 * least:.2f} points" if are_fractions(comparison) else f"{least:.2f}"
    return f"With these samples, a true difference in score of {size} would show in 8 of 10 tests."


def _seen(comparison: Comparison) -> str:
    """Which NFR could hide behind none that was seen."""
    least = comparison.comparison.smallest_nfr
    if least is None:
        return ""
    return f"A true NFR of {percent(least)} or more would have shown some lost answer in 8 of 10 such comparisons."


def sentences(comparison: Comparison) -> list[str]:
    """One for the update, one for each candidate; none claims more than interval and test."""
    return [_on_update(comparison), *(_on_candidate(candidate, comparison) for candidate in comparison.candidates)]


def _on_update(comparison: Comparison) -> str:
    flips, old, new = comparison.comparison, comparison.old.name, comparison.new.name
    p = flips.mcnemar_p  # the sign test of scores counts losses and gains, and tells nothing about their mean
    below, above = ("better", "worse") if comparison.lower_is_better else ("worse", "better")
    claims = (f"is {below} than {old}", f"is {above} than {old}", f"shows no clear difference from {old} on average")
    delta = f"{comparison.metric or 'score'} {score_change(comparison, flips.delta_score)}{_tested(p)}"
    lost = f"{count(flips.regression)} of {comparison.n:,} answers (NFR {percent(flips.nfr)})"
    counted = "" if flips.sign_p is None else f" (sign test of these counts: {p_value(flips.sign_p)})"
    said = claim(flips.delta_score, p, *claims)
    return f"{new} {said}: {delta}; it loses {lost} and gains {count(flips.gain)}{counted}."


def _on_candidate(candidate: Candidate, comparison: Comparison) -> str:
    delta, p, new = candidate.delta_nfr, candidate.delta_nfr_p, comparison.new.name
    claims = (
        f"loses fewer answers than {new}",
        f"loses more answers than {new}",
        f"shows no clear change in lost answers against {new}",
    )
    change = f"NFR {points(delta)} points{_tested(p)}; score {score_change(comparison, candidate.delta_score)}"
    lost = f"{count(candidate.restored)} of the {count(comparison.comparison.regression)} lost answers"
    exchange = f"it restores {lost} and newly loses {count(candidate.newly_lost)}"
    return f"{candidate.name} {claim(delta, p, *claims)}: {change}; {exchange}."


def claim(delta: Estimate, p: float | None, below: str, above: str, unclear: str) -> str:
    """Which of the three holds: below or above zero only if both the interval and the test agree."""
    if p is not None and p >= 0.05:
        return unclear
    if delta.low is not None and delta.low > 0:
        return above
    return below if delta.high is not None and delta.high < 0 else unclear
