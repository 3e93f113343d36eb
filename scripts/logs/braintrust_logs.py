"""Makes tests/logs/braintrust/ from the spans that Braintrust's own SDK logs, offline; the task's answers are canned.

What only its service adds is put there by hand, by the names in braintrust._generated_types.ExperimentEvent: `_xact_id`
and `is_root`; so is the page, {"events": [...]}. Stack traces, which name local paths, are cut to their last line.

pip install braintrust==0.48.1
python scripts/logs/braintrust_logs.py [OUT]
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import braintrust
from braintrust import EvalCase, logger
from braintrust.framework import Evaluator, default_error_score_handler, run_evaluator
from braintrust.logger import ObjectMetadata, ProjectExperimentMetadata
from braintrust.util import LazyValue

OUT = Path(__file__).parents[2] / "tests" / "logs" / "braintrust"
CASES = [  # question, answer (None: the task fails), expected
    ("What colour is snow?", "White", "White"),
    ("What colour is coal?", "White", "Black"),
    ("What colour is the sea on a map?", "Unclear", "Blue"),
    ("What colour is fresh grass?", None, "Green"),
    ("What colour is bark?", "Dark brown", "Brown"),
]
ANSWERS = {question: answer for question, answer, _ in CASES}
KEPT = ("id", "span_id", "root_span_id", "span_parents", "experiment_id", "created", "span_attributes")
KEPT_TOO = ("input", "output", "expected", "error", "scores", "metadata", "origin")


def task(question: str) -> str:
    answer = ANSWERS[question]
    if answer is None:
        raise TimeoutError("no reply")
    return answer


def exact(output: str, expected: str, **_: Any) -> float:
    if output == "Unclear":
        raise RuntimeError("the judge did not reply")
    return float(output == expected)


def brevity(output: str, **_: Any) -> float | None:
    """None, as a scorer says that it does not apply."""
    return None if " " in output else 1 - len(output) / 20


def spans(trials: int, zeros: bool) -> list[dict[str, Any]]:
    """What the SDK logs. zeros: scores of a task or scorer that failed are logged as 0."""
    braintrust.login(api_key=logger.TEST_API_KEY)
    with logger._internal_with_memory_background_logger() as memory:
        experiment = braintrust.init(project="colours", experiment="tiny")
        names = ObjectMetadata("p", "colours", {}), ObjectMetadata("e1", "tiny", {})
        experiment._lazy_metadata = LazyValue(lambda: ProjectExperimentMetadata(*names), use_mutex=False)
        data = [EvalCase(input=asked, expected=expected, metadata={"kind": "colour"}) for asked, _, expected in CASES]
        evaluator = Evaluator(
            project_name="colours",
            eval_name="tiny",
            data=data,
            task=task,
            scores=[exact, brevity],
            experiment_name="tiny",
            metadata=None,
            trial_count=trials,
            max_concurrency=1,
            summarize_scores=False,
            error_score_handler=default_error_score_handler if zeros else None,
        )
        asyncio.run(run_evaluator(experiment, evaluator, None, []))
        memory.flush()
        return list(memory.pop())


def settled(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With numbers in place of random ids and of times, and with what the service adds."""
    numbers: dict[str, str] = {}

    def numbered(name: str) -> str:
        return numbers.setdefault(name, f"s{len(numbers)}")

    rows = []
    for i, span in enumerate(sorted(found, key=lambda span: span["created"])):
        row = {key: span[key] for key in (*KEPT, *KEPT_TOO) if key in span}
        row |= {key: numbered(span[key]) for key in ("id", "span_id", "root_span_id")}
        row["span_parents"] = [numbered(parent) for parent in span["span_parents"] or []]
        row |= {
            "created": f"2026-11-30T10:00:{i:02}.000Z",
            "_xact_id": f"{1000 + i}",
            "is_root": not row["span_parents"],
        }
        rows.append(shortened(row))
    return rows[::-1]  # as the service lists them, latest first


def shortened(row: dict[str, Any]) -> dict[str, Any]:
    """Without what lies before the last line of a stack trace."""
    if "error" in row:
        row["error"] = row["error"].strip().splitlines()[-1]
    errors = (row.get("metadata") or {}).get("scorer_errors")
    if errors:
        row["metadata"]["scorer_errors"] = {name: text.strip().splitlines()[-1] for name, text in errors.items()}
    return row


def write(out: Path) -> None:
    """A page of an experiment, one whose failures are logged as zeros, and spans of two trials, one a line."""
    out.mkdir(parents=True, exist_ok=True)
    for name, zeros in (("events", False), ("zeros", True)):
        page = {"events": settled(spans(1, zeros)), "cursor": None}
        (out / f"{name}.json").write_text(json.dumps(page, indent=1) + "\n")
    rows = settled(spans(2, False))
    (out / "trials.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
