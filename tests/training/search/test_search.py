"""The search by hand: which mixtures are asked, and which is taken."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from stillright.training.search.question import Question
from stillright.training.search.search import ASKED, search

GRID = {"old": (0.5, 1.0), "labels": (0.5, 1.0)}
RIGHT = torch.tensor([[True, False]])


def question(margin: Callable[[float, float], list[float]], asked: list[str]) -> Question:
    """Samples of two choices, the first of them right, whose margins depend on how far the model has gone."""

    def ask(_: Any, label: str) -> Tensor:
        asked.append(label.removeprefix("test, "))
        steps = [float(said[1]) if (said := re.search(rf"{name} ([\d.]+)", label)) else 0.0 for name in GRID]
        return torch.tensor([[value, 0.0] for value in margin(*steps)])

    n = len(margin(0, 0))
    return Question(ask, RIGHT.expand(n, 2))


def found(margin: Callable[[float, float], list[float]], asked: list[str] | None = None) -> Any:
    """What is found; the model that has gone all the way to old is the old one."""
    of = question(margin, [] if asked is None else asked)
    old = torch.tensor([[value, 0.0] for value in margin(1, 0)])
    return search(torch.nn.Identity(), old, of, {name: {} for name in GRID}, GRID, "test")


def test_two_directions_together_keep_what_neither_keeps_alone() -> None:
    """New loses the first answer, and has gained the next two. All the way to old restores the one and takes back the
    two, which labels keep."""
    asked: list[str] = []
    taken = found(lambda old, labels: [2 * old - 1.5, *[0.5 - 1.2 * old + 0.8 * labels] * 2, 1.0], asked)
    assert taken.mixture == {"old": 1.0, "labels": 1.0}
    new, best = taken.tried[0], next(each for each in taken.tried if each.mixture == taken.mixture)
    assert (new.nfr, best.nfr, best.accuracy) == (0.25, 0, 1)
    assert best.nfr_against_new.value == -0.25
    assert asked[:5] == ["new", "old 0.5", "old 1", "labels 0.5", "labels 1"]
    assert len(asked) <= 5 + ASKED
    assert "NFR 0.00% instead of 25.00%" in taken.reason


def test_fewer_flips_at_less_accuracy_are_not_taken() -> None:
    """Old restores one answer, and takes back two that new had gained."""
    taken = found(lambda old, labels: [2 * old - 1.5, 1 - 1.8 * old, 1 - 1.8 * old, 1.0])
    assert taken.mixture == {}
    assert "loses fewer answers than new (NFR 25.00%) at no less accuracy" in taken.reason


def test_where_old_and_new_are_one_new_stays() -> None:
    taken = found(lambda old, labels: [1.0, -1.0, 0.5])
    assert (taken.mixture, taken.tried[0].nfr) == ({}, 0)
    assert all(each.imitation is not None and each.imitation.slope.value is None for each in taken.tried)


def test_of_equal_flips_the_more_accurate_is_taken_then_the_nearer() -> None:
    taken = found(lambda old, labels: [2 * old - 0.5, labels - 0.75, 1.0])
    assert taken.mixture == {"old": 0.5, "labels": 1.0}


def test_texts_are_lost_where_their_score_falls() -> None:
    def ask(_: Any, label: str) -> Tensor:
        return torch.tensor([[0.5], [0.2]]) if "old" in label else torch.tensor([[0.25], [0.4]])

    old = torch.tensor([[0.5], [0.1]])
    grid = {"old": (1.0,)}
    taken = search(torch.nn.Identity(), old, Question(ask, None), {"old": {}}, grid, "test")
    assert taken.mixture == {"old": 1.0}
    assert [each.nfr for each in taken.tried] == [0.5, 0]
    assert [each.accuracy for each in taken.tried] == pytest.approx([0.325, 0.35])
    assert taken.tried[1].imitation is None
