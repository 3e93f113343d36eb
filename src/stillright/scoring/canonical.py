"""One way to write an answer that tools write in several: Unicode forms, numbers, booleans. Knows single answers."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

# 1.0, -2.50, 1e3; not 007, which is no number but a code, nor 1_000
NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?", re.ASCII)
BOOLEANS = ("true", "false")


def canonical(answer: str) -> str:
    """`answer` as all tools would write it: in NFC, numbers as 1 for 1, 1.0 and 1e0, booleans in lower case.

    Two answers are the same if this is equal.
    """
    text = unicodedata.normalize("NFC", answer)
    if is_number(text):
        return _plain(Decimal(text))
    lower = text.lower()
    return lower if lower in BOOLEANS else text


def is_number(text: str) -> bool:
    """Whether all of `text` is a decimal number."""
    return NUMBER.fullmatch(text) is not None and any(char.isdigit() for char in text.lower().partition("e")[0])


def _plain(number: Decimal) -> str:
    """All digits of the number, without an exponent and zeros at the end of the fraction."""
    if not number:
        return "0"
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
