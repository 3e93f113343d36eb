"""The loss over the choices of a sample: distillation of the distribution over choices, not over tokens.

A teacher gives one number per choice, its log-likelihood, so old and new need not share a vocabulary. Ours, beyond
Echterhoff et al., 2024: a flip is a change of the choice, so the choice is what is distilled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from stillright.tasks.ranking import ABSENT, chosen


class Beliefs(NamedTuple):
    """What the teachers make of n samples."""

    old: Tensor  # (n, K) log-probabilities of the choices at the temperature
    new: Tensor  # (n, K)
    gold: Tensor  # (n,) number of the right choice, the first of several; IGNORED where it is not known
    accepted: Tensor  # (n, K) bool, which choices are right


SOFT = 4.0  # times the typical margin between choices

ChoiceTarget = Callable[[Beliefs], Tensor]  # -> (n, K) log-probabilities to learn


def is_right(scores: Tensor, accepted: Tensor) -> Tensor:
    """(n,) whether the likeliest choice is a right one, as in prediction: scores and accepted (n, K)."""
    return accepted.gather(1, chosen(scores)[:, None])[:, 0]


def follows_old(beliefs: Beliefs) -> Tensor:
    """(n,) where the old model is right, or both are wrong."""
    old_right, new_right = (is_right(teacher, beliefs.accepted) for teacher in (beliefs.old, beliefs.new))
    return old_right | ~new_right


def choice(beliefs: Beliefs) -> Tensor:
    """Old where it is right or both are wrong, new elsewhere: right answers stay, and mistakes stay the same."""
    return torch.where(follows_old(beliefs)[:, None], beliefs.old, beliefs.new)


def choice_mixture(beliefs: Beliefs) -> Tensor:
    """The mean of both distributions: what an ensemble of the two would give."""
    return torch.logaddexp(beliefs.old, beliefs.new) - torch.log(torch.tensor(2.0))


def choice_ce(beliefs: Beliefs) -> Tensor:
    """The right choice: a control that knows neither teacher."""
    return right_choice(beliefs.gold, beliefs.old.shape[1])


def right_choice(gold: Tensor, choices: int) -> Tensor:
    """(n, choices) log-probabilities that are all on the right choice: gold (n,)."""
    return functional.one_hot(gold, choices).float().clamp_min(1e-30).log()


def soft_temperature(scores: Tensor) -> float:
    """SOFT times the mean standard deviation of a sample's choices; 1 where all are alike.

    scores: (n, K), ABSENT where there is no choice.
    """
    there = scores > ABSENT
    counts = there.sum(dim=-1, keepdim=True)
    means = scores.where(there, 0.0).sum(dim=-1, keepdim=True) / counts
    deviations = (((scores - means).where(there, 0.0) ** 2).sum(dim=-1) / counts[:, 0]).sqrt()
    return SOFT * float(deviations.mean()) or 1.0


CHOICE_STRATEGIES: dict[str, ChoiceTarget] = {target.__name__: target for target in (choice, choice_mixture, choice_ce)}


class ChoiceSums(NamedTuple):
    """Sums over a batch of B samples; all but `loss` are for the log."""

    loss: Tensor
    kl: Tensor
    cross_entropy: Tensor


def choice_sums(scores: Tensor, target: Tensor, gold: Tensor, temperature: float, ce_weight: float) -> ChoiceSums:
    """Sums of `(1 - ce_weight) * KL(target || student) + ce_weight * CE`.

    scores: (B, K) log-likelihoods as the metric normalizes them. target: (B, K) log-probabilities at `temperature`.
    gold: (B,), IGNORED where it is not known; that sample has no CE. KL is of the softmax of scores / temperature,
    CE of that of scores.
    """
    student = functional.log_softmax(scores / temperature, dim=-1)
    kl = (target.exp() * (target - student)).sum(dim=-1)
    cross_entropy = functional.cross_entropy(scores, gold, reduction="none")
    loss = (1 - ce_weight) * kl + ce_weight * cross_entropy
    return ChoiceSums(loss.sum(), *(part.detach().sum() for part in (kl, cross_entropy)))
