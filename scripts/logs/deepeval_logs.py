"""Makes tests/logs/deepeval/ with DeepEval's own test run, offline; scores and answers are canned.

pip install deepeval==4.3.1
python scripts/logs/deepeval_logs.py [OUT]
"""

from __future__ import annotations

import sys
from pathlib import Path

from deepeval.test_run.api import LLMApiTestCase
from deepeval.test_run.test_run import TestRun
from deepeval.tracing.api import MetricData

OUT = Path(__file__).parents[2] / "tests" / "logs" / "deepeval"
FAILED = "the grader did not reply"
CASES = [  # question, answer, expected, relevancy (None: the grader failed), exact match
    ("What colour is snow?", "White.", "White", 0.9, 1.0),
    ("What colour is coal?", "White.", "Black", 0.8, 0.0),
    ("What colour is the sea on a map?", "Salty.", "Blue", 0.25, 1.0),
    ("What colour is fresh grass?", "Green.", "Green", None, 1.0),
    ("What colour is bark?", "Violet.", "Brown", None, 0.0),
]


def metric(name: str, score: float | None) -> MetricData:
    """A result, as create_metric_data makes it of a metric with a threshold of 0.5."""
    if score is None:
        return MetricData(name=name, threshold=0.5, score=None, success=False, error=FAILED)
    return MetricData(name=name, threshold=0.5, score=score, success=score >= 0.5)


def write(out: Path) -> None:
    """Five test cases with two metrics; a test case is met where both are."""
    run = TestRun(testFile=None, datasetAlias="colours", hyperparameters={"model": "tiny"})
    for order, (question, answer, expected, relevancy, exact) in enumerate(CASES):
        case = LLMApiTestCase(
            name=f"test_case_{order}",
            input=question,
            actualOutput=answer,
            expectedOutput=expected,
            order=order,
            metadata={"kind": "colour"},
        )
        case.update_metric_data(metric("Answer Relevancy", relevancy))
        case.update_metric_data(metric("Exact Match", exact))
        run.add_test_case(case)
    run.construct_metrics_scores()
    out.mkdir(parents=True, exist_ok=True)
    with (out / "test_run_20261130_100000.json").open("w") as file:
        run.save(file)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
