"""The values of a metric, one per sample -> verdicts or scores. Knows no format."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from stillright.errors import DataError
from stillright.records import Kind

# similarities: continuous even where every value of a small log happens to be 0 or 1
SIMILARITIES = ("rouge", "bleu", "chrf", "bert", "f1", "meteor", "similar", "levenshtein", "perplexity", "llm-rubric")


def number(value: Any, place: str) -> float | None:
    """A metric's value for a sample, None without one. Raises DataError for anything but a number."""
    if value is None:
        return None
    with suppress(OverflowError):
        if isinstance(value, int | float):
            return float(value)
    raise DataError(f"{place} is {value!r:.40}, not a number")


def graded(
    rows: Sequence[dict[str, Any]], values: Sequence[float | None], metric: str, similarity: bool = False
) -> tuple[Kind, list[dict[str, Any]]]:
    """The kind, and `rows` with verdicts if all values are 0 or 1, else with scores.

    similarity: these are scores in any case, as for metrics known to be similarities.
    A row without a value is unscored, not wrong: it keeps only its output, so that nothing can be judged by it.
    """
    similarity = similarity or any(name in metric.lower() for name in SIMILARITIES)
    discrete = set(values) <= {0, 1, None} and not similarity
    kind: Kind = "discrete" if discrete else "continuous"
    return kind, [_graded(row, value, kind) for row, value in zip(rows, values, strict=True)]


def _graded(row: dict[str, Any], value: float | None, kind: Kind) -> dict[str, Any]:
    if value is None:
        return {**row, "prediction": None, "output": row.get("output") or ""}
    return {**row, **({"correct": bool(value)} if kind == "discrete" else {"score": float(value)})}
