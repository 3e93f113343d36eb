"""Which words of two texts differ, for reports that show both."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import NamedTuple

LONGEST = 300  # characters of each text
LEAD = 60  # of these before the first word that differs


class Part(NamedTuple):
    """A run of words, and whether the other text lacks it."""

    text: str
    differs: bool


def differing_words(old: str, new: str) -> tuple[list[Part], list[Part]]:
    """Both texts on one line each, cut near their first difference, as parts that differ or not."""
    first, second = (_near_difference(text, other) for text, other in ((old, new), (new, old)))
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    changes = matcher.get_opcodes()
    return (
        [Part(" ".join(first[a:b]), kind != "equal") for kind, a, b, _, _ in changes if b > a],
        [Part(" ".join(second[c:d]), kind != "equal") for kind, _, _, c, d in changes if d > c],
    )


def _near_difference(text: str, other: str) -> list[str]:
    words, others = text.split(), other.split()
    pairs = enumerate(zip(words, others, strict=False))
    start = same = next((i for i, (a, b) in pairs if a != b), min(len(words), len(others)))
    while start > 0 and len(" ".join(words[start - 1 : same])) <= LEAD:
        start -= 1
    kept = words[start:]
    while len(" ".join(kept)) > LONGEST and len(kept) > 1:
        kept = kept[: max(1, len(kept) * 9 // 10)]
    is_cut = start + len(kept) < len(words)
    return [*(["…"] if start else []), *(word[:LONGEST] for word in kept), *(["…"] if is_cut else [])]
