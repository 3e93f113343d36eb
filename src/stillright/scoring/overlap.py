"""Sentence BLEU and chrF, as sacrebleu computes them with its defaults. Both are defined over several references."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stillright.errors import needs
from stillright.scoring.samples import check_samples
from stillright.scoring.words import spaced
from stillright.significance import Array

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric


def bleu(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> Array:
    """BLEU of each output by itself, (n,) (Papineni et al., 2002; Post, 2018, for tokens and smoothing).

    Orders longer than the output do not count (`effective_order`), as sacrebleu recommends for sentences. Of scripts
    without spaces between words each character is one, which sacrebleu does for Chinese only where it is asked to.
    NaN for a sample with nothing but blank references.
    Raises MissingExtra without sacrebleu, DataError if outputs and references do not match.
    """
    with needs("bleu", "BLEU"):
        from sacrebleu.metrics.bleu import BLEU
    return _sentence_scores(BLEU(effective_order=True), outputs, references, spaced)


def chrf(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> Array:
    """chrF2 of each output by itself, (n,): character 1- to 6-grams, recall twice as heavy (Popović, 2015).

    NaN for a sample with nothing but blank references.
    Raises MissingExtra without sacrebleu, DataError if outputs and references do not match.
    """
    with needs("bleu", "chrF"):
        from sacrebleu.metrics.chrf import CHRF
    return _sentence_scores(CHRF(), outputs, references, _composed)


def _sentence_scores(
    metric: Metric, outputs: Sequence[str], references: Sequence[Sequence[str]], written: Callable[[str], str]
) -> Array:
    """Scores as fractions, of texts as they are `written` for the metric.

    sacrebleu counts in percent, and rounding may lift a perfect output above 100.
    """
    check_samples(outputs, references)
    percent = [
        _percent(metric, written(output), [written(text) for text in accepted if text.strip()])
        for output, accepted in zip(outputs, references, strict=True)
    ]
    return np.clip(np.array(percent, dtype=np.float64) / 100, 0.0, 1.0)


def _percent(metric: Metric, output: str, accepted: list[str]) -> float:
    return float(metric.sentence_score(output, accepted).score) if accepted else math.nan


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)
