"""Right or not: two texts that are equal, to the letter or after normalization, in any script."""

from __future__ import annotations

import re
import string
import unicodedata

from stillright.scoring.canonical import canonical, is_number

_ARTICLES = re.compile(r"\b(a|an|the)\b")


def exact_match(output: str, reference: str) -> float:
    """1.0 if both are the same answer (`canonical`) except for surrounding white space, else 0.0."""
    return float(canonical(output.strip()) == canonical(reference.strip()))


def normalized(text: str) -> str:
    """`text` in lower case, without punctuation and English articles, its words one space apart.

    The normalization of the SQuAD evaluation script (Rajpurkar et al., 2016), in its order; for other scripts also in
    NFKC and without their punctuation. Where nothing would be left, the articles are kept, or else the punctuation, so
    that answers like "A" or "+" are not lost.
    """
    lower = unicodedata.normalize("NFKC", text).lower()
    bare = lower.translate(_NO_PUNCTUATION)
    steps = (" ".join(each.split()) for each in (_ARTICLES.sub(" ", bare), bare, lower))
    return next((each for each in steps if each), "")


class _NoPunctuation(dict[int, str]):
    """What is left of a character; found out once a character."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        self[code] = "" if char in string.punctuation or unicodedata.category(char)[0] == "P" else char
        return self[code]


_NO_PUNCTUATION = _NoPunctuation()


def quasi_exact_match(output: str, reference: str) -> float:
    """1.0 if both are equal after `normalized` (HELM's quasi-exact match; Liang et al., 2022), else 0.0.

    Two numbers are compared as numbers: without their punctuation 1.5 would be 15.
    """
    if is_number(output.strip()) and is_number(reference.strip()):
        return exact_match(output, reference)
    return float(normalized(output) == normalized(reference))
