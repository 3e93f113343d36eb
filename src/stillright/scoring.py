"""S(output, reference): how good one output is, between 0 and 1. Knows two texts, nothing of models or files."""

from __future__ import annotations

from functools import cache
from typing import Any

from stillright.errors import MissingExtra


def exact_match(output: str, reference: str) -> float:
    """1.0 where both are equal but for surrounding white space, else 0.0."""
    return float(output.strip() == reference.strip())


@cache
def _rouge() -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise MissingExtra(
            "ROUGE needs the package rouge-score; install it with: pip install 'stillright[train]'"
        ) from None
    return RougeScorer(["rouge1"], use_stemmer=False)


def rouge1(output: str, reference: str) -> float:
    """ROUGE-1 F-measure, the overlap of single words (Lin, 2004), as rouge-score computes it without stemming."""
    return float(_rouge().score(reference, output)["rouge1"].fmeasure)
