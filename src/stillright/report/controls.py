"""Text from files, made safe to print: a model's output must not steer the terminal that shows it."""

from __future__ import annotations

import re

BREAKS = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")  # whatever some reader takes for the end of a line
# control characters, the marks that reverse the direction of what follows, and halves of characters
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def without_controls(text: str) -> str:
    """`text` on one line, with a replacement character for every invisible control character."""
    return UNSEEN.sub("\ufffd", BREAKS.sub(" ", text))


def without_marks(text: str) -> str:
    """The same, and without the mark that CI systems find their commands by, wherever in a line it stands."""
    return without_controls(text).replace("##", "\uff03\uff03")  # ##[error], ##vso[task...], ##teamcity[...]


def without_commands(text: str) -> str:
    """The same, and without what they take for a command where a line begins or is folded, as in ::error::"""
    return without_marks(text).replace("::", "\u2237")
