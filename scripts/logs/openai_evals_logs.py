"""Makes tests/logs/openai_evals/: events by the recorder of OpenAI evals, output items by the types of openai, offline.

pip install evals==3.0.1.post1 openai
OPENAI_API_KEY=none python scripts/logs/openai_evals_logs.py [OUT]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from evals.base import RunSpec
from evals.record import LocalRecorder
from openai.types.evals.runs.output_item_list_response import OutputItemListResponse

OUT = Path(__file__).parents[2] / "tests" / "logs" / "openai_evals"
ROWS = [  # question, expected, sampled (None: the request failed)
    ("What colour is snow?", "White", "White"),
    ("What colour is coal?", "Black", "White"),
    ("What colour is the sea on a map?", "Blue", "Blue"),
    ("What colour is soot?", "Black", None),
]


def write_events(path: Path) -> None:
    """A log as `oaieval` writes it."""
    spec = RunSpec(["harbour/tiny"], "colours.test.v0", "colours", "test", {"seed": 1}, "")
    path.unlink(missing_ok=True)
    recorder = LocalRecorder(str(path), spec)
    for number, (question, expected, sampled) in enumerate(ROWS):
        with recorder.as_default_recorder(f"colours.test.{number}"):
            if sampled is None:
                recorder.record_error("no reply", TimeoutError("no reply"))
                continue
            recorder.record_sampling([{"role": "user", "content": question}], [sampled])
            recorder.record_match(sampled == expected, expected=[expected], picked=sampled)
            recorder.record_metrics(length=len(sampled))
    recorder.record_final_report({"accuracy": 2 / 3})
    recorder.flush_events()


def item(number: int, question: str, expected: str, sampled: str | None) -> dict[str, Any]:
    """An output item; one of a request that failed has an error and no results."""
    right = sampled == expected
    result = {"name": "string check", "type": "string_check", "passed": right, "score": float(right)}
    failed = {"code": "timeout", "message": "no reply"}
    sample = {
        "input": [{"role": "user", "content": question}],
        "output": [] if sampled is None else [{"role": "assistant", "content": sampled}],
        "finish_reason": "stop",
        "model": "tiny-1",
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 1,
        "max_completion_tokens": 16,
        "error": failed if sampled is None else {"code": "", "message": ""},
        "usage": {"total_tokens": 2, "completion_tokens": 1, "prompt_tokens": 1, "cached_tokens": 0},
    }
    return {
        "object": "eval.run.output_item",
        "id": f"outputitem_{number}",
        "created_at": 1796000000 + number,
        "run_id": "evalrun_1",
        "eval_id": "eval_1",
        "status": "error" if sampled is None else "pass" if right else "fail",
        "datasource_item_id": number,
        "datasource_item": {"question": question, "expected": expected},
        "results": [] if sampled is None else [result],
        "sample": sample,
    }


def write_items(out: Path) -> None:
    """A page of output items, and the same one a line."""
    items = [OutputItemListResponse.model_validate(item(i, *row)).model_dump() for i, row in enumerate(ROWS)]
    (out / "output_items.json").write_text(json.dumps({"object": "list", "data": items, "has_more": False}))
    (out / "output_items.jsonl").write_text("".join(json.dumps(each) + "\n" for each in items))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    target.mkdir(parents=True, exist_ok=True)
    write_events(target / "events.jsonl")
    write_items(target)
