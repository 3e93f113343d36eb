"""Values of JSON and tables -> those of a PredictionSet's columns. Knows single values, neither rows nor files."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from stillright.messages import chat_text


def as_text(value: Any) -> str | None:
    """A JSON scalar as text: 3 and 3.0 are "3", true is "true"; a missing value (None, NaN) is None.

    Raises TypeError for anything else.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value).lower()  # of True too
    if isinstance(value, float):
        return None if math.isnan(value) else str(int(value)) if value.is_integer() else repr(value)
    raise TypeError(f"a {type(value).__name__} is not text")


def _as_texts(value: Any) -> list[str] | None:
    if not isinstance(value, list | tuple):
        text = as_text(value)
        return None if text is None else [text]
    return [text for text in map(as_text, value) if text is not None] or None


def _as_number(value: Any) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise TypeError(f"{value!r:.40} is not a number")


def _as_float(value: Any) -> float | None:
    number = _as_number(value)
    return None if number is None else float(number)


def _as_count(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 2**63 or value != int(value):
        raise TypeError(f"{value!r:.40} is not a count")
    return int(value)


def _as_flag(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if value in (0, 1):
        return bool(value)
    raise TypeError(f"{value!r:.40} is neither true nor false")


def _as_prompt(value: Any) -> str | None:
    return chat_text(value) if isinstance(value, list) else as_text(value)


def _as_list(value: Any, read: Callable[[Any], Any], what: str) -> list[Any] | None:
    """A list with a value at each place, since its places are numbers of choices."""
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise TypeError(f"{value!r:.40} is not a list")
    found = list(map(read, value))
    if None in found:
        raise TypeError(f"{what} {found.index(None)} is missing")
    return found


READERS = {  # column -> what reads a value of it; of all others as_text
    "prompt": _as_prompt,
    "reference": _as_texts,
    "score": _as_number,
    "margin": _as_number,
    "choices": _as_count,
    "choice_texts": lambda value: _as_list(value, as_text, "choice"),
    "loglikelihoods": lambda value: _as_list(value, _as_float, "log-likelihood"),
    "output_tokens": _as_count,
    "correct": _as_flag,
}
