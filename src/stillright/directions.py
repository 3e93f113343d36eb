"""Whether lower values of a metric are better: as a log says, else as its name says, else as the user says.

The names are those of lm-evaluation-harness and of common measures of error.
"""

from __future__ import annotations

import re

from stillright.errors import DataError, spelled

LOWER = {"likelihood_diff", "pct_stereotype", "bits_per_byte", "edit_distance"}
LOWER_WORDS = {"perplexity", "ppl", "wer", "cer", "ter", "mer", "mse", "rmse", "mae", "nll", "loss", "brier"}
HIGHER_WORDS = {
    *(
        "acc",
        "accuracy",
        "exact",
        "em",
        "match",
        "f1",
        "mcc",
        "bleu",
        "chrf",
        "meteor",
        "precision",
        "recall",
        "correct",
    ),
    *("pass", "reward"),
}
HIGHER_STARTS = ("rouge", "bertscore", "pass@", "acc_", "prompt_level", "inst_level")


def lower_by_name(metric: str) -> bool | None:
    """Whether lower values of the metric are better; None if its name does not tell."""
    name = metric.lower().rsplit("/", 1)[-1].partition(",")[0]
    words = set(re.split(r"[^a-z0-9]+", name))
    if name in LOWER or words & LOWER_WORDS:
        return True
    return False if words & HIGHER_WORDS or name.startswith(HIGHER_STARTS) else None


def is_lower_better(metric: str | None, said: bool | None, asked: bool, place: str) -> bool | None:
    """Whether lower values are better; None if nothing tells.

    said: what the log says, if it does. asked: whether the user says so. Raises DataError naming `place` if the user
    contradicts the log, or what is known of the metric.
    """
    known = lower_by_name(metric) if said is None and metric else said
    if asked and known is False:
        option = spelled(command="--lower-is-better", python="lower_is_better=True")
        who = "as the log says" if said is False else "as its name says"
        raise DataError(f"{place}: higher {metric} is better, {who}; leave out {option}")
    return True if asked else known
