"""How far a choice among several is from being another one."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def margin(values: Sequence[float], right: Collection[int]) -> float | None:
    """How far the best of the right choices is ahead of the best other one; below zero where it is behind.

    values: of each choice, by which the metric ranks them; right: their numbers from 0. None where all, or none, of
    the choices are right.
    """
    of_right = [value for number, value in enumerate(values) if number in right]
    of_others = [value for number, value in enumerate(values) if number not in right]
    return max(of_right) - max(of_others) if of_right and of_others else None
