"""How a student imitates old: margins and measures by hand."""

from __future__ import annotations

import math

import pytest
import torch

from stillright.stats import UNDEFINED, Estimate
from stillright.tasks.ranking import ABSENT
from stillright.training.imitation import imitation, margins

OLD, NEW = torch.tensor([3.0, -1.0, 2.0, 0.0] * 5), torch.ones(20)


def values(found: tuple[Estimate, ...]) -> list[float | None]:
    return [each.value for each in found]


def test_a_student_equal_to_old_follows_it_wholly() -> None:
    *found, n = imitation(OLD, OLD, NEW)
    for each in found:
        assert (each.value, each.low, each.high) == pytest.approx((1, 1, 1))
    assert n == 20


def test_a_student_equal_to_new_follows_nothing() -> None:
    found = imitation(NEW, OLD, NEW)
    assert (found.slope.value, found.r2.value) == (0, 0)
    assert found.correlation == UNDEFINED
    assert found.plain()["correlation"] == {"value": None, "low": None, "high": None}
    assert found.plain()["n"] == 20
    assert str(found).startswith("slope 0.00 [0.00, 0.00], R2 0.00 [")


def test_half_way() -> None:
    slope, correlation, r2, _ = imitation((OLD + NEW) / 2, OLD, NEW)
    assert values((slope, correlation, r2)) == pytest.approx([0.5, 1, 0.75])


def test_a_student_may_be_further_from_old_than_new_is() -> None:
    slope, correlation, r2, _ = imitation(2 * NEW - OLD, OLD, NEW)
    assert values((slope, correlation, r2)) == pytest.approx([-1, -1, -3])


def test_r2_by_hand() -> None:
    """Old is 1 away from new on either side. The student goes half way, and 0.1 further or less far: of a square
    distance of 1 it leaves 0.36 or 0.16, as often each."""
    apart = torch.tensor([1.0, -1.0] * 10)
    student = apart / 2 + torch.tensor([0.1, 0.1, -0.1, -0.1] * 5)
    half = 0.1 * 2.09302 * math.sqrt(21 / 19 / 20)  # Student's t of 19 degrees; half a sample more at either side
    found = imitation(NEW + student, NEW + apart, NEW).r2
    assert (found.value, found.low, found.high) == pytest.approx((0.74, 0.74 - half, 0.74 + half), abs=1e-5)


def test_where_old_and_new_are_one_nothing_is_defined() -> None:
    slope, correlation, r2, _ = imitation(NEW + OLD, NEW, NEW)
    assert values((slope, correlation, r2)) == [None, None, None]


def test_a_margin_is_that_of_the_best_right_choice_over_the_best_wrong_one() -> None:
    scores = torch.tensor([[1.0, 3.0, 2.0, ABSENT], [5.0, 1.0, 2.0, 0.5], [1.0, 2.0, ABSENT, ABSENT]])
    accepted = torch.tensor([[True, False, True, False], [False, True, False, False], [True, True, False, False]])
    assert margins(scores, accepted).tolist() == [-1.0, -4.0, math.inf]
    kept = imitation(*(margins(by * scores, accepted) for by in (1.0, 3.0, 2.0)))
    assert kept.n == 2
    assert kept.slope.value == pytest.approx(-1)  # (student - new) = -(old - new)


def test_the_margin_of_a_reference_alone_is_its_log_likelihood() -> None:
    assert margins(torch.tensor([[-3.0], [-0.5]]), torch.tensor([[True], [True]])).tolist() == [-3.0, -0.5]
