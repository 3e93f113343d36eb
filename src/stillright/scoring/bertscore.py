"""BERTScore F1 (Zhang et al., 2020), as the package bert-score computes it; empty texts, which it refuses, by rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stillright.errors import needs
from stillright.scoring.samples import check_samples
from stillright.significance import Array


def bertscore(
    outputs: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    model_type: str = "roberta-large",
    num_layers: int | None = None,
) -> Array:
    """F1 without idf weights and without rescaling, (n,); the best of several references.

    Two empty texts (nothing, or only white space) score 1.0; an empty and a non-empty text 0.0.
    model_type: name on the hub, or folder; the default is the package's for English. num_layers: layer to take; None
    for the package's choice, which it has only for the names it knows.
    Raises MissingExtra without bert-score, DataError if outputs and references do not match.
    """
    check_samples(outputs, references)
    pairs = [(output, text) for output, accepted in zip(outputs, references, strict=True) for text in accepted]
    scores = np.array([float(output.strip() == text.strip()) for output, text in pairs])  # of pairs with an empty text
    filled = [place for place, (output, text) in enumerate(pairs) if output.strip() and text.strip()]
    if filled:
        with needs("bertscore", "BERTScore"):
            from bert_score import BERTScorer
        scorer = BERTScorer(model_type=model_type, num_layers=num_layers)
        _, _, f1 = scorer.score([pairs[place][0] for place in filled], [pairs[place][1] for place in filled])
        scores[filled] = np.clip(f1.numpy(), 0.0, 1.0)  # a cosine, so a rounding error outside is possible
    starts = np.cumsum([0, *map(len, references)])[:-1]
    return np.maximum.reduceat(scores, starts)
