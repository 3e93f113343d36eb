"""Which teacher a token follows, and how much it counts: small functions of the outputs of student and old model.

Echterhoff et al., 2024, table 7: student_wrong (MUSCLE), old_right, old_only, token_likelihood and sequence_likelihood,
the last two with a cross-entropy term. Yan et al., 2021 (positive-congruent training): focal. Controls: new_only,
mixture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

FOCAL_BASE, FOCAL_BOOST = 1.0, 5.0  # alpha and beta of Yan et al., 2021


class Tokens(NamedTuple):
    """What is known of N next-token positions: (N,) each."""

    labels: Tensor
    sequence: Tensor  # number of the text within the batch
    student: Tensor  # most likely token of the student
    student_logp: Tensor  # its log-probability of the label
    old: Tensor  # most likely token of the old model
    old_logp: Tensor  # its log-probability of the label


Rule = Callable[[Tokens], Tensor]  # -> (N,)


def student_wrong(tokens: Tokens) -> Tensor:
    """Old where the adapter being trained misses the token (MUSCLE)."""
    return tokens.student != tokens.labels


def old_right(tokens: Tokens) -> Tensor:
    """Old where the old model has the token right."""
    return tokens.old == tokens.labels


def old_only(tokens: Tokens) -> Tensor:
    """Old everywhere."""
    return torch.ones_like(tokens.labels, dtype=torch.bool)


def new_only(tokens: Tokens) -> Tensor:
    """New everywhere: a control that knows nothing of the old model."""
    return torch.zeros_like(tokens.labels, dtype=torch.bool)


def token_likelihood(tokens: Tokens) -> Tensor:
    """Old where the student finds the token less likely than the old model does."""
    return tokens.student_logp < tokens.old_logp


def sequence_likelihood(tokens: Tokens) -> Tensor:
    """Old in all of a text that the student finds less likely than the old model does."""
    gap = (tokens.student_logp - tokens.old_logp).double()
    texts = int(tokens.sequence.max()) + 1
    return (gap.new_zeros(texts).index_add_(0, tokens.sequence, gap) < 0)[tokens.sequence]


def focal_weight(tokens: Tokens) -> Tensor:
    """More weight where the old model has the token right."""
    return FOCAL_BASE + FOCAL_BOOST * old_right(tokens).float()


class Strategy(NamedTuple):
    """Where the old model is the teacher; elsewhere the new one is."""

    follows_old: Rule  # -> (N,) bool
    weight: Rule | None = None  # of the divergence; 1 where absent
    mixed: bool = False  # the teacher is the mean of both distributions instead
    whole_texts: bool = False  # the rule compares whole texts, so it needs all positions of a batch at once


STRATEGIES: dict[str, Strategy] = {
    "student_wrong": Strategy(student_wrong),
    "old_right": Strategy(old_right),
    "old_only": Strategy(old_only),
    "token_likelihood": Strategy(token_likelihood),
    "sequence_likelihood": Strategy(sequence_likelihood, whole_texts=True),
    "focal": Strategy(old_only, weight=focal_weight),
    "new_only": Strategy(new_only),
    "mixture": Strategy(old_only, mixed=True),
}
