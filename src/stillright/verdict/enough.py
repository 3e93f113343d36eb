"""Whether the samples could have shown that a limit is kept, or broken, where their interval leaves that open."""

from __future__ import annotations

import math

from stillright.power import MOST, needed_for_change, needed_up_to_most, seen_change_with, seen_with
from stillright.significance import Z_95
from stillright.verdict.places import Place


def too_little_power(place: Place, power: float) -> str | None:
    """Why the limit cannot be judged, and how many samples could; None where it can.

    What the interval shows stands. Else the samples must tell the limit's true value from the limit with this power:
    exactly for shares of samples, else as normal with the width of the interval.
    """
    limit, estimate = place.limit, place.estimate
    true, threshold = limit.true_value, limit.threshold
    if estimate is None or estimate.low is None or estimate.high is None or true is None:
        return None
    if not estimate.low < threshold < estimate.high:
        return None
    enough: int | float
    if place.whole is not None:
        seen, enough = seen_with(place.whole, true, threshold), needed_up_to_most(true, threshold, power)
    else:
        variance = place.n * ((estimate.high - estimate.low) / (2 * Z_95)) ** 2
        seen = seen_change_with(place.n, true, threshold, variance)
        enough = needed_for_change(true, threshold, variance, power)
    if seen >= power:
        return None
    samples = place.n if place.whole is None else place.whole
    takes = f"{enough:,}" if enough <= MOST else f"more than {MOST:,}"
    return (
        f"{samples:,} samples tell a true {limit.metric} of {true:g} from {threshold:g} with a probability of "
        f"{math.floor(100 * seen) / 100:g}, less than {power:g}; that takes {takes}"
    )
