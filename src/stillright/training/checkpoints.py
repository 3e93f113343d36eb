"""Which checkpoint of a training is kept: a rule over its evaluations. Knows numbers, nothing of models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Evaluation = Mapping[str, float]  # as the trainer logs it: "step", "eval_loss", "eval_right" ...


class Chosen(NamedTuple):
    """The evaluation of the checkpoint that is kept, and why it is that one."""

    evaluation: Evaluation
    reason: str


Rule = Callable[[Sequence[Evaluation]], Chosen]  # of all evaluations so far, step 0 first


def evaluations(state: Any) -> list[Evaluation]:
    """Those that the trainer's state has logged."""
    return [entry for entry in state.log_history if "eval_loss" in entry]


def by_loss(evaluations: Sequence[Evaluation]) -> Chosen:
    """The lowest validation loss; of equal ones the earlier step."""
    best = min(evaluations, key=lambda evaluation: evaluation["eval_loss"])
    return Chosen(best, f"best validation loss {best['eval_loss']:.4f}")


def by_flips(evaluations: Sequence[Evaluation]) -> Chosen:
    """The lowest NFR among those whose accuracy is not below step 0's, which is the new task model's.

    "eval_lost" is the NFR against the old model, "eval_right" the accuracy, as shares of the validation samples. Of
    equal NFRs the higher accuracy wins, then the lower validation loss, then the earlier step.
    """
    start = evaluations[0]
    able = [evaluation for evaluation in evaluations if evaluation["eval_right"] >= start["eval_right"]]
    best = min(able, key=lambda one: (one["eval_lost"], -one["eval_right"], one["eval_loss"]))
    return Chosen(
        best,
        f"lowest NFR {best['eval_lost']:.2%} (step 0: {start['eval_lost']:.2%}) among {len(able)} of "
        f"{len(evaluations)} checkpoints with at least step 0's accuracy of {start['eval_right']:.2%}",
    )


RULES: dict[str, Rule] = {"loss": by_loss, "flips": by_flips}
