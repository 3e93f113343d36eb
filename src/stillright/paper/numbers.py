"""The one way in which a study's numbers are written for people."""

from __future__ import annotations

from stillright.report.words import DASH
from stillright.stats import Estimate


def number(
    value: float | None, deviation: float | None = None, interval: Estimate | None = None, sign: str = ""
) -> str:
    """A fraction in percent with two decimals: "72.74", "72.74 ± 0.31", "-4.17 [-5.10, -3.20]"; a dash for None.

    sign: "+" for differences, which then are in points.
    """
    if value is None:
        return DASH
    text = _percent(value, sign)
    if deviation is not None:
        text += f" ± {_percent(deviation)}"
    if interval is not None and interval.low is not None and interval.high is not None:
        text += f" [{_percent(interval.low, sign)}, {_percent(interval.high, sign)}]"
    return text


def p_text(p: float | None) -> str:
    """ "0.0120", "<0.0001", a dash for None."""
    return DASH if p is None else "<0.0001" if p < 1e-4 else f"{p:.4f}"


def _percent(value: float, sign: str = "") -> str:
    return f"{round(100 * value, 2) + 0.0:{sign}.2f}"  # + 0.0: no -0.00
