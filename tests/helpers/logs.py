"""Small logs in the forms of other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from samples import write_rows

DATE = "2026-01-02T03-04-05.000001"


def harness_sample(number: int, metric: str, value: Any, **more: Any) -> dict[str, Any]:
    """A sample of lm-evaluation-harness whose answer was generated."""
    question = f"Which knot is number {number}?"
    return {
        "doc_id": number,
        "doc": {"q": question},
        "target": "bowline",
        "arguments": {"gen_args_0": {"arg_0": question, "arg_1": {"until": ["\n"]}}},
        "resps": [["x"]],
        "filtered_resps": ["x"],
        "filter": "none",
        "metrics": [metric],
        metric: value,
        "doc_hash": f"hash{number}",
        **more,
    }


def harness_log(
    folder: Path, task: str, values: list[Any], metric: str = "exact_match", ending: str = "jsonl", **more: Any
) -> Path:
    """The log of a task with one sample a value of its metric; more: in every sample."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [harness_sample(i, metric, value, **more) for i, value in enumerate(values)]
    return write_rows(folder / f"samples_{task}_{DATE}.{ending}", rows)


def harness_results(folder: Path, tasks: list[str], **more: Any) -> Path:
    """The results of a run of these tasks, beside their samples."""
    known = {
        "results": {},
        "configs": {task: {"target_delimiter": " "} for task in tasks},
        "versions": dict.fromkeys(tasks, 1.0),
        "n-shot": dict.fromkeys(tasks, 0),
        "model_name": "maker/one",
    }
    path = folder / f"results_{DATE}.json"
    path.write_text(json.dumps(known | more))
    return path


def inspect_log(path: Path, samples: list[dict[str, Any]], config: dict[str, Any] | None = None, **spec: Any) -> Path:
    """A log of Inspect; spec: what was evaluated, besides task and model."""
    head = {"eval": {"task": "ferry", "model": path.stem, **spec}, "plan": {"config": config or {}}}
    path.write_text(json.dumps({"version": 2, "status": "success", **head, "samples": samples}))
    return path


def promptfoo_test(number: int, success: bool, question: str, **more: Any) -> dict[str, Any]:
    """The result of one test of promptfoo."""
    return {
        "testIdx": number,
        "provider": "p",
        "success": success,
        "score": float(success),
        "prompt": {"raw": f"Answer: {question}", "label": "p"},
        "vars": {"q": question},
        "response": {"output": "x"},
        "failureReason": int(not success),
        **more,
    }


def promptfoo_log(path: Path, tests: list[dict[str, Any]]) -> Path:
    """The results of a suite."""
    path.write_text(json.dumps({"results": {"version": 3, "results": tests}, "config": {}}))
    return path
