"""Answers of which none is right: more often written in another form than the references than all wrong.

Where old has none right, none can be lost, so a gate on flips would pass whatever new answers.
"""

from __future__ import annotations

from collections.abc import Iterator

from stillright.comparison import Comparison
from stillright.comparison.examples import answer_beside_reference
from stillright.comparison.models import Model
from stillright.records import PredictionSet
from stillright.verdict.check import Check, Outcome


def nothing_right_checks(
    comparison: Comparison, old: Model[PredictionSet], new: Model[PredictionSet]
) -> Iterator[Check]:
    """A check for each of the two models that has no right answer (continuous: only scores of 0, unless these are the
    best)."""
    if comparison.lower_is_better:
        return
    outcomes: list[tuple[str, Model[PredictionSet], float, Outcome, str]] = [
        ("old", old, comparison.old.score, "cannot tell", "so none can be lost"),
        ("new", new, comparison.new.score, "fail", "so the update keeps nothing"),
    ]
    for place, model, score, outcome, consequence in outcomes:
        if score == 0 and (comparison.kind == "discrete" or _is_zero(model)):
            what = "is right" if comparison.kind == "discrete" else "scores above 0"
            reason = f"no answer of {model.name} {what}, of {comparison.n:,}, {consequence}"
            hint = answer_beside_reference(model.runs[0].table)
            yield Check(
                name=f"{place} has right answers", outcome=outcome, reason="; ".join(filter(None, [reason, hint]))
            )


def _is_zero(model: Model[PredictionSet]) -> bool:
    return all((run.table["score"].drop_nulls() == 0).all() for run in model.runs)
