"""How likely n samples tell a true value from a limit, and how many samples that takes. Pure functions of numbers.

Rates are exact: the binomial probability of what the score test, whose limits are Wilson's interval, shows. Changes of
paired samples are taken as normal, with the variance of one sample's difference; of right and wrong answers that is the
share of discordant pairs, less the squared change (Miettinen, 1968; Connor, 1987).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

from stillright.significance import binomial_tail

CONFIDENCE = 0.95  # of the two-sided interval that must lie on one side of the limit
NORMAL = NormalDist()
ROUNDING = 1e-9
TEETH = 12


def seen_with(n: int, true_rate: float, limit: float, confidence: float = CONFIDENCE) -> float:
    """The probability that the interval of n samples with this true rate lies on its own side of `limit`.

    0 <= true_rate <= 1 and 0 < limit < 1; ValueError if they are equal. With a true rate of 0 or 1 it is 0 or 1.
    """
    _refuse_equal(true_rate, limit)
    deviation = _z(confidence) * math.sqrt(n * limit * (1 - limit))
    if true_rate < limit:
        return 1 - binomial_tail(math.floor(n * limit - deviation + ROUNDING) + 1, n, true_rate)
    return binomial_tail(math.ceil(n * limit + deviation - ROUNDING), n, true_rate)


def needed(true_rate: float, limit: float, power: float, confidence: float = CONFIDENCE) -> int:
    """The number of samples from which on `seen_with` is at least `power`, 0 < power < 1.

    Power has saw-teeth (Chernick and Liu, 2002): it falls, or leaps down, where as many or more events are needed among
    more samples. So a tooth counts by its lowest size, and all of the next TEETH must have the power.
    """
    _refuse_equal(true_rate, limit)

    def is_enough(tooth: int) -> bool:
        sizes = (_tooth(tooth + i, true_rate, limit, confidence).lowest for i in range(TEETH))
        return all(seen_with(size, true_rate, limit, confidence) >= power for size in sizes)

    few, many = -1, 0
    while not is_enough(many):
        few, many = many, 2 * many + 1
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if is_enough(middle) else (middle, many)
    return _tooth(many, true_rate, limit, confidence).first


class _Tooth(NamedTuple):
    """Sizes among which equally many events decide: the first, and the one with the lowest power."""

    first: int
    lowest: int


def _tooth(number: int, true_rate: float, limit: float, confidence: float) -> _Tooth:
    """Number 0 is that of 0 events below a limit, or of 1 event above it."""
    if true_rate < limit:
        first, later = (math.ceil(_size(each, limit, 1, confidence) - ROUNDING) for each in (number, number + 1))
        return _Tooth(first, later - 1)
    first = math.floor(_size(number, limit, -1, confidence) + ROUNDING) + 1
    return _Tooth(first, first)


def seen_change_with(
    n: float, true_change: float, limit: float, variance: float, confidence: float = CONFIDENCE
) -> float:
    """The probability that the interval of n pairs with this true mean change lies on its own side of `limit`.

    variance: of the difference of one pair, above zero.
    """
    return NORMAL.cdf(abs(true_change - limit) * math.sqrt(n / variance) - _z(confidence))


def needed_for_change(
    true_change: float, limit: float, variance: float, power: float, confidence: float = CONFIDENCE
) -> int:
    """The number of pairs from which on `seen_change_with` is at least `power`; ValueError if the two are equal."""
    _refuse_equal(true_change, limit)
    z = _z(confidence) + NORMAL.inv_cdf(power)
    return max(1, math.ceil(variance * (z / (true_change - limit)) ** 2))


def _z(confidence: float) -> float:
    return NORMAL.inv_cdf((1 + confidence) / 2)


def _refuse_equal(true_value: float, limit: float) -> None:
    if true_value == limit:
        raise ValueError(f"a true value of {true_value:g} cannot be told from a limit of {limit:g}")


def _size(events: float, limit: float, sign: int, confidence: float) -> float:
    """The n at which events = n limit - sign z deviation: from there on so many still show a rate below it
    (sign 1), or no longer one above it (sign -1)."""
    spread = _z(confidence) * math.sqrt(limit * (1 - limit))
    return float((sign * spread + math.sqrt(spread**2 + 4 * limit * events)) / (2 * limit)) ** 2
