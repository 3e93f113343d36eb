"""Text from files, made safe to print: a model's output must not steer the terminal that shows it."""

from __future__ import annotations

import re

# control characters except line breaks and tabs, and the marks that reverse the direction of what follows
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def without_controls(text: str) -> str:
    """`text` with a replacement character for every invisible control character."""
    return UNSEEN.sub("\ufffd", text)
