"""Small results: one row a letter or a score."""

from __future__ import annotations

from typing import Any

from stillright.records import Header, PredictionSet


def discrete(name: str, answers: str, references: str = "AAAAAAAA", **more: Any) -> PredictionSet:
    """One row a letter: the answer and the reference."""
    rows = [
        {"id": str(i), "prediction": answer, "reference": reference, **{key: value[i] for key, value in more.items()}}
        for i, (answer, reference) in enumerate(zip(answers, references, strict=False))
    ]
    return PredictionSet.from_rows(Header(name=name, task="letters", metric="acc"), rows)


def continuous(name: str, scores: list[float]) -> PredictionSet:
    rows = [{"id": str(i), "output": "text", "score": score} for i, score in enumerate(scores)]
    return PredictionSet.from_rows(Header(name=name, kind="continuous", metric="rouge1"), rows)


# right in every row: A. old has 5 of 8 right, new 5, of which 3 in common
OLD, NEW, COMPAT = "AAAAABBC", "AAABCAAB", "AAAACAAC"
