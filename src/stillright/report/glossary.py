"""What the metrics in a report mean, for its readers; docs/metrics.md has the formulas."""

from __future__ import annotations

from stillright.comparison import Comparison
from stillright.report.words import METRICS, metric_rows

MEANINGS = {
    "nfr": "share of all samples whose answer was right before and is wrong now (of scores: lower now)",
    "pfr": "share of all samples whose answer was wrong before and is right now (of scores: higher now)",
    "nfr_mc": "negative flips, and answers that were wrong before and are wrong in another way now",
    "nfr_of_old_right": "of the answers that were right before, the share that is lost",
    "nfi": "of the answers that are wrong now, the share that was right before",
    "btc": "of the answers that were right before, the share that still is",
    "nfr_of_chance": "100 % if there are as many flips as between two unrelated models of these accuracies",
    "nfr_mc_of_chance": "the same for NFR_mc",
    "mean_gain": "by how much the scores that rose did so, on average",
    "mean_regression": "by how much the scores that fell did so, on average",
}


def glossary(comparison: Comparison) -> list[tuple[str, str]]:
    """Label and meaning of each metric in the report's main table."""
    shown = {row[0] for row in metric_rows(comparison)}
    return [(label, MEANINGS[field]) for field, label in METRICS.items() if label in shown]
