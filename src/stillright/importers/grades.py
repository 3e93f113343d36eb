"""The values of a metric, one a sample -> verdicts or scores. Knows no format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stillright.records import Kind

# similarities: continuous even where every value of a small log happens to be 0 or 1
SIMILARITIES = ("rouge", "bleu", "chrf", "bert", "f1", "meteor", "similar", "levenshtein", "perplexity", "llm-rubric")


def graded(
    rows: Sequence[dict[str, Any]], values: Sequence[float | None], metric: str
) -> tuple[Kind, list[dict[str, Any]]]:
    """`rows` with verdicts where all values are 0 or 1, else with scores; and which of the two.

    A row without a value is unscored, not wrong: it keeps its output alone, so that nothing can be judged by it.
    """
    discrete = set(values) <= {0, 1, None} and not any(name in metric.lower() for name in SIMILARITIES)
    kind: Kind = "discrete" if discrete else "continuous"
    return kind, [_graded(row, value, kind) for row, value in zip(rows, values, strict=True)]


def _graded(row: dict[str, Any], value: float | None, kind: Kind) -> dict[str, Any]:
    if value is None:
        return {**row, "prediction": None, "output": row.get("output") or ""}
    return {**row, **({"correct": bool(value)} if kind == "discrete" else {"score": float(value)})}
