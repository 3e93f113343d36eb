"""How likely n samples tell a true value from a limit, and how many samples that takes. Pure functions of numbers.

A value is told from a limit where its two-sided interval of 95 % lies on one side of it.
Rates are exact: the binomial probability of what Wilson's interval shows, with its bounds for few events. Changes of
paired samples are taken as normal, with the variance of one sample's difference; of right and wrong answers that is the
share of discordant pairs, less the squared change (Miettinen, 1968; Connor, 1987).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

from stillright.significance import Z_95, binomial_tail
from stillright.stats import FEW_EVENTS

Z_80_POWER = 0.8416212335729143  # standard normal quantile at 0.8
NORMAL = NormalDist()
MOST = 10_000_000  # samples; to count more takes too long
ROUNDING = 1e-9  # of a number of events
TEETH = 12  # in a row that must have the power


def seen_with(n: int, true_rate: float, limit: float) -> float:
    """The probability that the 95 % interval of n samples with this true rate lies on its own side of `limit`.

    0 <= true_rate <= 1 and 0 < limit < 1; ValueError if they are equal. With a true rate of 0 or 1 it is 0 or 1.
    """
    _refuse_equal(true_rate, limit)
    if true_rate < limit:
        return 1 - binomial_tail(n - _fewest(n, 1 - limit) + 1, n, true_rate)
    return binomial_tail(_fewest(n, limit), n, true_rate)


def _fewest(n: int, limit: float) -> int:
    """The fewest events among n whose interval begins at the limit or above it: by the score test, but for few events
    by the Poisson bound, which is lower (see stats.wilson)."""
    events = math.ceil(n * limit + Z_95 * math.sqrt(n * limit * (1 - limit)) - ROUNDING)
    while events < len(FEW_EVENTS) and n * limit > FEW_EVENTS[events] + ROUNDING:
        events += 1
    return events


def needed(true_rate: float, limit: float, power: float) -> int:
    """The number of samples from which on `seen_with` is at least `power`, 0 < power < 1.

    Power has saw-teeth (Chernick and Liu, 2002): it falls, or leaps down, where as many or more events are needed among
    more samples. So a tooth counts by its lowest size, and all of the next TEETH must have the power.
    """
    _refuse_equal(true_rate, limit)

    def is_enough(tooth: int) -> bool:
        sizes = (_tooth(tooth + i, true_rate, limit).lowest for i in range(TEETH))
        return all(seen_with(size, true_rate, limit) >= power for size in sizes)

    few, many = -1, 0
    while not is_enough(many):
        few, many = many, 2 * many + 1
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if is_enough(middle) else (middle, many)
    return _tooth(many, true_rate, limit).first


def needed_up_to_most(true_rate: float, limit: float, power: float) -> int | float:
    """`needed`, but infinite where that is more than about MOST."""
    rough = needed_for_change(true_rate, limit, limit * (1 - limit), power)
    return needed(true_rate, limit, power) if rough <= MOST else math.inf


class _Tooth(NamedTuple):
    """Sizes among which equally many events decide: the first, and the one with the lowest power."""

    first: int
    lowest: int


def _tooth(number: int, true_rate: float, limit: float) -> _Tooth:
    """Number 0 is that of 0 events below a limit, or of 1 event above it."""
    if true_rate < limit:
        return _Tooth(_first_below(number, limit), _first_below(number + 1, limit) - 1)
    first = _last_above(number, limit) + 1
    return _Tooth(first, first)


def _first_below(events: int, limit: float) -> int:
    """The size from which on so many events show a rate below the limit."""
    n = math.ceil(_size(events, limit, 1) - ROUNDING)
    while _fewest(n, 1 - limit) > n - events:  # few others
        n += 1
    return n


def _last_above(events: int, limit: float) -> int:
    """The size up to which so many events show a rate above the limit."""
    n = _size(events, limit, -1)
    return math.floor((min(n, FEW_EVENTS[events] / limit) if events < len(FEW_EVENTS) else n) + ROUNDING)


def seen_change_with(n: float, true_change: float, limit: float, variance: float) -> float:
    """The probability that the 95 % interval of n pairs with this true mean change lies on its own side of `limit`.

    variance: of the difference of one pair, above zero.
    """
    return NORMAL.cdf(abs(true_change - limit) * math.sqrt(n / variance) - Z_95)


def needed_for_change(true_change: float, limit: float, variance: float, power: float) -> int | float:
    """The number of pairs from which on `seen_change_with` is at least `power`, infinite where no float holds it;
    ValueError if the two are equal."""
    _refuse_equal(true_change, limit)
    deviations = (Z_95 + NORMAL.inv_cdf(power)) / (true_change - limit)
    pairs = variance * deviations * deviations
    return max(1, math.ceil(pairs)) if pairs < math.inf else math.inf


def smallest_difference(variance: float, n: int) -> float | None:
    """The least mean difference that n pairs show in 80 % of tests at the 5 % level; None if nothing varies.

    variance: of the difference of one pair; for two proportions the share of discordant pairs (Lehr, 1992, without
    rounding his factor 8).
    """
    return (Z_95 + Z_80_POWER) * math.sqrt(variance / n) if n and variance > 0 else None


def smallest_fall(n: int) -> float:
    """The least fall of a rate that n pairs show in 80 % of tests at the 5 % level, where none of them rises.

    All discordant pairs then agree, so their share d is the fall, with the variance d (1 - d): the d at which
    `needed_for_change` is n. Where some rise, more is needed.
    """
    squared = (Z_95 + Z_80_POWER) ** 2
    return squared / (n + squared)


def smallest_shown_rate(n: float, power: float = 0.8) -> float:
    """The least true rate of which n samples show one event or more with this power: then its interval excludes 0."""
    return float(-math.expm1(math.log1p(-power) / n))


def _refuse_equal(true_value: float, limit: float) -> None:
    if true_value == limit:
        raise ValueError(f"a true value of {true_value:g} cannot be told from a limit of {limit:g}")


def _size(events: float, limit: float, sign: int) -> float:
    """The n at which events = n limit - sign z deviation: by the score test so many still show a rate below it from
    there on (sign 1), or no longer one above it (sign -1)."""
    spread = Z_95 * math.sqrt(limit * (1 - limit))
    return float((sign * spread + math.sqrt(spread**2 + 4 * limit * events)) / (2 * limit)) ** 2
