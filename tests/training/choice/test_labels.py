"""An old model of which only the choices are known: labels, smoothed."""

from __future__ import annotations

import torch

from stillright.training.choice.choice_loss import Beliefs, choice, is_right
from stillright.training.choice.labels import label_scores


def test_the_temperature_leaves_a_label_as_it_is() -> None:
    for temperature in (0.5, 1.0, 2.0):
        scores = label_scores([1, 0, 0], [3, 2, 1], temperature)
        beliefs = (scores / temperature).softmax(-1)
        assert torch.allclose(beliefs, torch.tensor([[0.05, 0.9, 0.05], [0.9, 0.1, 0.0], [1.0, 0.0, 0.0]]))


def test_a_label_teaches_where_it_is_right_or_both_are_wrong() -> None:
    old, accepted = label_scores([0, 1, 1], [2, 2, 2], 1.0).log_softmax(-1), torch.tensor([[True, False]] * 3)
    new = torch.tensor([[0.2, 0.8], [0.7, 0.3], [0.2, 0.8]]).log()
    assert is_right(old, accepted).tolist() == [True, False, False]
    target = choice(Beliefs(old, new, torch.zeros(3).long(), accepted)).exp()
    assert torch.allclose(target, torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.1, 0.9]]))
