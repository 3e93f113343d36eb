"""Right or not: two texts that are equal, to the letter or after normalization."""

from __future__ import annotations

import re
import string

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def exact_match(output: str, reference: str) -> float:
    """1.0 if both are equal except for surrounding white space, else 0.0."""
    return float(output.strip() == reference.strip())


def normalized(text: str) -> str:
    """`text` in lower case, without ASCII punctuation and English articles, its words one space apart.

    The normalization of the SQuAD evaluation script (Rajpurkar et al., 2016), in its order.
    """
    bare = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def quasi_exact_match(output: str, reference: str) -> float:
    """1.0 if both are equal after `normalized` (HELM's quasi-exact match; Liang et al., 2022), else 0.0.

    Two texts that are empty after it are equal, as in SQuAD.
    """
    return float(normalized(output) == normalized(reference))
