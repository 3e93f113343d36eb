"""A gate on an end of an interval that too few samples have."""

from __future__ import annotations

from typing import Any

import pytest

from stillright.config import Policy
from stillright.config.strict import parse
from stillright.records import Header, PredictionSet
from stillright.verdict import Gated, gate


def judged(limit: dict[str, Any]) -> Gated:
    return gate(*of_few_drops(), parse(Policy, {"limits": [limit]}, "policy"))


def of_few_drops() -> tuple[PredictionSet, PredictionSet]:
    """A hundred scores of 0.5, of which new has nine at 0.4."""
    scores = {"old": [0.5] * 100, "new": [0.4] * 9 + [0.5] * 91}
    old, new = (
        PredictionSet.from_rows(Header(name=name), [{"id": i, "score": value} for i, value in enumerate(values)])
        for name, values in scores.items()
    )
    return old, new


@pytest.mark.parametrize("bound", ["high", "low", "pessimistic"])
def test_an_end_that_too_few_samples_have_cannot_tell(bound: str) -> None:
    gated = judged({"metric": "mean_regression", "max": 0.9, "bound": bound})
    check = gated.verdict.checks[1]
    assert (check.outcome, gated.verdict.exit_code) == ("cannot tell", 3)
    assert check.reason == (
        "mean_regression = 0.1000 has no interval: it rests on 9 samples, and fewer than 10 are too few; "
        "bound: value compares the point"
    )
    assert gated.comparison is not None
    assert '"low": null,\n      "high": null' in gated.comparison.to_json()


def test_a_point_of_too_few_samples_can_be_compared() -> None:
    for limit, expected in ((0.11, "pass"), (0.09, "fail")):
        gated = judged({"metric": "mean_regression", "max": limit, "bound": "value"})
        assert gated.verdict.outcome == expected
