"""The scores of an old model of which only the choices are known: each as a smoothed label."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from stillright.tasks.ranking import ABSENT

SMOOTHING = 0.1  # probability of all other choices together: how sure old was is not known


def label_scores(taken: Sequence[int], counts: Sequence[int], temperature: float) -> Tensor:
    """(n, K) scores whose softmax at `temperature` has 1 - SMOOTHING for the choice taken, and what is left spread
    evenly over the others.

    taken: (n,) numbers of choices; counts: (n,) how many choices there are. The temperature softens how sure a model
    is; a label says nothing of that, so it is the same at each.
    """
    labels = [_label(number, count) for number, count in zip(taken, counts, strict=True)]
    return pad_sequence([temperature * label.log() for label in labels], batch_first=True, padding_value=ABSENT)


def _label(number: int, count: int) -> Tensor:
    label = torch.full((count,), SMOOTHING / max(1, count - 1))
    label[number] = 1 - SMOOTHING
    return label
