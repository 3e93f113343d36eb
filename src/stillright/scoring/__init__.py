"""S(output, reference): how good each output is, between 0 and 1. Knows texts; knows neither models nor files.

    samples     many samples, with several references each
    canonical   one way to write an answer
    exact       equal or not
    words       the words of a text in any script
    rouge       ROUGE-1, -2, -L, -Lsum
    overlap     BLEU, chrF                          extra bleu
    bertscore   BERTScore                           extra bertscore
    judge       a model behind an endpoint judges   extra judge
    replies     asks for the judge's replies and keeps them

Packages of an extra are imported when a score first needs them. The judge needs settings, so it is not in SCORES.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stillright.scoring.bertscore import bertscore
from stillright.scoring.exact import exact_match, quasi_exact_match
from stillright.scoring.overlap import bleu, chrf
from stillright.scoring.rouge import rouge_score
from stillright.scoring.samples import Score, best_of

SCORES: Mapping[str, Score] = MappingProxyType(
    {
        "exact_match": best_of(exact_match),
        "quasi_exact_match": best_of(quasi_exact_match),
        "rouge1": rouge_score("rouge1"),
        "rouge2": rouge_score("rouge2"),
        "rougeL": rouge_score("rougeL"),
        "rougeLsum": rouge_score("rougeLsum"),
        "bleu": bleu,
        "chrf": chrf,
        "bertscore": bertscore,
    }
)

__all__ = ["SCORES", "Score"]
