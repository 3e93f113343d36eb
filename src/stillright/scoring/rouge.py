"""ROUGE-1, -2, -L and -Lsum F-measures (Lin, 2004) of texts in any script, fast.

Of ASCII texts they equal those of the package rouge-score without stemming, which counts no other letters. A text is
tokenized once for all measures. The longest common subsequence (LCS) is bit-parallel on Python's integers,
one bit per reference word, one step per output word (Crochemore et al., 2001, "A fast and practical bit-vector
algorithm for the longest common subsequence problem"; Hyyrö, 2004, "Bit-parallel LCS-length computation revisited").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Literal, TypeVar, get_args

import numpy as np

from stillright.scoring.samples import Score, check_samples
from stillright.scoring.words import words
from stillright.significance import Array

Rouge = Literal["rouge1", "rouge2", "rougeL", "rougeLsum"]
Words = list[str]
Gram = TypeVar("Gram", str, tuple[str, str])


class _Tokens:
    """One text, cut into what the measures need when they first need it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.words = words(text)

    @cached_property
    def unigrams(self) -> Counter[str]:
        return Counter(self.words)

    @cached_property
    def bigrams(self) -> Counter[tuple[str, str]]:
        return Counter(pairwise(self.words))

    @cached_property
    def lines(self) -> list[Words]:
        return [words(line) for line in self._text.split("\n")]

    @cached_property
    def positions(self) -> dict[str, int]:
        return bit_positions(self.words)


def _f_measure(hits: int, output_total: int, reference_total: int) -> float:
    """Harmonic mean of hits / output_total and hits / reference_total; 0.0 without a hit."""
    return 2 * hits / (output_total + reference_total) if hits else 0.0


def _overlap(output: Mapping[Gram, int], reference: Mapping[Gram, int]) -> int:
    """Grams in both, each as often as in the one that has it less often."""
    return sum([min(output[gram], reference[gram]) for gram in output.keys() & reference.keys()])


def bit_positions(words: Words) -> dict[str, int]:
    """For each word, an integer with a bit set at each of its positions."""
    positions: dict[str, int] = {}
    for place, word in enumerate(words):
        positions[word] = positions.get(word, 0) | 1 << place
    return positions


def lcs_length(words: Words, positions: Mapping[str, int], size: int) -> int:
    """Length of the LCS of `words` and a text of `size` words at `positions`.

    Bit i of the row is 0 if the LCS with the first i + 1 words is longer than with the first i.
    """
    row = full = (1 << size) - 1
    for word in words:
        matches = positions.get(word)
        if matches is not None:
            row = (row + (row & matches)) | (row & ~matches)
    return size - (row & full).bit_count()


def _rouge1(output: _Tokens, reference: _Tokens) -> float:
    return _f_measure(_overlap(output.unigrams, reference.unigrams), len(output.words), len(reference.words))


def _rouge2(output: _Tokens, reference: _Tokens) -> float:
    return _f_measure(_overlap(output.bigrams, reference.bigrams), len(output.words) - 1, len(reference.words) - 1)


def _rouge_l(output: _Tokens, reference: _Tokens) -> float:
    hits = lcs_length(output.words, reference.positions, len(reference.words))
    return _f_measure(hits, len(output.words), len(reference.words))


def lcs_members(output: Words, reference: Words) -> int:
    """One LCS, as an integer with the bits of its words' places in `reference` set.

    If there are several, the one that rouge-score finds: going back from the ends of both texts, a match is taken;
    without one, a word of the output is skipped if the LCS without it is longer than without the reference's word.
    That is exactly when the row's bit is 0: without a match, only one of the two can be shorter than the whole.
    """
    positions = bit_positions(reference)
    rows = [(1 << len(reference)) - 1]  # rows[j]: after j words of the output
    for word in output:
        row, matches = rows[-1], positions.get(word, 0)
        rows.append((row + (row & matches)) | (row & ~matches))
    members, i, j = 0, len(reference), len(output)
    while i and j:
        if reference[i - 1] == output[j - 1]:
            i, j = i - 1, j - 1
            members |= 1 << i
        elif rows[j] >> (i - 1) & 1:
            i -= 1
        else:
            j -= 1
    return members


def _rouge_lsum(output: _Tokens, reference: _Tokens) -> float:
    """Each reference line against the union of its LCSs with all lines of the output; no word is counted twice."""
    hits: Counter[str] = Counter()
    for line in reference.lines:
        union = 0
        for other in output.lines:
            union |= lcs_members(other, line)
        hits.update(word for place, word in enumerate(line) if union >> place & 1)
    return _f_measure(_overlap(output.unigrams, hits), len(output.words), len(reference.words))


_MEASURES: dict[Rouge, Callable[[_Tokens, _Tokens], float]] = {
    "rouge1": _rouge1,
    "rouge2": _rouge2,
    "rougeL": _rouge_l,
    "rougeLsum": _rouge_lsum,
}


def rouge1(output: str, reference: str) -> float:
    """ROUGE-1 F-measure of one pair, the overlap of single words; 0.0 if a text has no word."""
    return _rouge1(_Tokens(output), _Tokens(reference))


def rouge(
    outputs: Sequence[str], references: Sequence[Sequence[str]], names: Sequence[Rouge] = get_args(Rouge)
) -> dict[Rouge, Array]:
    """F-measures by name, each (n,); the best of several references; 0.0 if the output has no word.

    NaN for a sample whose references have no word: there is nothing to judge by.
    Raises DataError if outputs and references do not match.
    """
    check_samples(outputs, references)
    table = np.full((len(names), len(outputs)), np.nan)
    measures = [_MEASURES[name] for name in names]
    for sample, (output, accepted) in enumerate(zip(outputs, references, strict=True)):
        text, others = _Tokens(output), [_Tokens(reference) for reference in accepted]
        others = [other for other in others if other.words]
        for row, measure in enumerate(measures if others else ()):
            table[row, sample] = max([measure(text, other) for other in others])
    return dict(zip(names, table, strict=True))


def rouge_score(name: Rouge) -> Score:
    """One of the measures alone, as a Score."""
    return lambda outputs, references: rouge(outputs, references, (name,))[name]
