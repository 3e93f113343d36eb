"""Makes tests/logs/pydantic_evals/ with Pydantic Evals itself, offline; the task's answers are canned.

pip install pydantic-evals==2.62.0
python scripts/logs/pydantic_evals_logs.py [OUT]
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import EqualsExpected, Evaluator, EvaluatorContext
from pydantic_evals.reporting import EvaluationReportAdapter

OUT = Path(__file__).parents[2] / "tests" / "logs" / "pydantic_evals"
CASES = [  # name, question, answer (None: the task fails), expected
    ("snow", "What colour is snow?", "White", "White"),
    ("coal", "What colour is coal?", "White", "Black"),
    ("sea", "What colour is the sea on a map?", "Unclear", "Blue"),
    (None, "What colour is fresh grass?", None, "Green"),
]
ANSWERS = {question: answer for _, question, answer, _ in CASES}


@dataclass
class Brevity(Evaluator[str, str, Any]):
    """A score, an assertion and a label; fails for one answer."""

    def evaluate(self, ctx: EvaluatorContext[str, str, Any]) -> dict[str, float | bool | str]:
        if ctx.output == "Unclear":
            raise RuntimeError("the judge did not reply")
        return {"brevity": 1 - len(ctx.output) / 20, "one_word": " " not in ctx.output, "tone": "dry"}


def task(question: str) -> str:
    answer = ANSWERS[question]
    if answer is None:
        raise TimeoutError("no reply")
    return answer


def write(out: Path) -> None:
    """A report of one run, and one of two runs of each case. Stack traces, which name local paths, are left out."""
    cases = [
        Case(name=name, inputs=question, expected_output=expected, metadata={"kind": "colour"})
        for name, question, _, expected in CASES
    ]
    dataset = Dataset(name="colours", cases=cases, evaluators=[EqualsExpected(), Brevity()])
    out.mkdir(parents=True, exist_ok=True)
    for name, repeat in (("report", 1), ("twice", 2)):
        report = dataset.evaluate_sync(task, name="tiny", progress=False, max_concurrency=1, repeat=repeat)
        found = json.loads(EvaluationReportAdapter.dump_json(report), object_hook=settled)
        (out / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


def settled(found: dict[str, Any]) -> dict[str, Any]:
    """What is the same in every run of this script."""
    fixed = {"error_stacktrace": "", "task_duration": 0.25, "total_duration": 0.5}
    return found | {name: value for name, value in fixed.items() if name in found}


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
