"""Makes tests/logs/langfuse/ by hand: a page of GET /api/public/experiment-items, with invented values.

No service made it. Langfuse's own SDK takes it for such a page, which this script checks.

pip install langfuse==5.0.4
python scripts/logs/langfuse_logs.py [OUT]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from langfuse.api.core.pydantic_utilities import parse_obj_as
from langfuse.api.experiments.types import ExperimentItemsResponse

OUT = Path(__file__).parents[2] / "tests" / "logs" / "langfuse"
ITEMS: list[
    tuple[str, str | None, str, list[tuple[str, str, Any]]]
] = [  # question, answer, expected, scores (data type, name, value)
    ("What colour is snow?", "White", "White", [("BOOLEAN", "exact", True), ("NUMERIC", "brevity", 0.75)]),
    ("What colour is coal?", "White", "Black", [("BOOLEAN", "exact", False), ("NUMERIC", "brevity", 0.75)]),
    ("What colour is the sea on a map?", "Salty", "Blue", [("CATEGORICAL", "tone", "dry")]),  # the judge failed
    ("What colour is fresh grass?", None, "Green", []),  # the task failed
]


def score(item: int, kind: str, name: str, value: Any) -> dict[str, Any]:
    """A score of the kind `kind`."""
    at = f"2026-11-30T10:01:{item:02}.000Z"
    fixed = {"projectId": "p", "source": "EVAL", "environment": "default", "timestamp": at, "createdAt": at}
    return {"id": f"s{item}-{name}", "name": name, "dataType": kind, "value": value, "updatedAt": at, **fixed}


def item(i: int, name: str) -> dict[str, Any]:
    """An item of the experiment `name`."""
    question, answer, expected, scores = ITEMS[i]
    return {
        "id": f"{name}-{i}",
        "traceId": f"t-{name}-{i}",
        "startTime": f"2026-11-30T10:00:{i:02}.000Z",
        "endTime": f"2026-11-30T10:00:{i:02}.500Z",
        "level": "DEFAULT" if answer else "ERROR",
        "environment": "default",
        "experimentId": f"e-{name}",
        "experimentName": name,
        "experimentItemId": f"item-{i}",
        "experimentDatasetId": "colours",
        "input": {"question": question},
        "output": answer,
        "expectedOutput": expected,
        "experimentItemMetadata": {"kind": "colour"},
        "scores": [score(i, *each) for each in scores],
    }


def write(out: Path) -> None:
    """A page of an experiment, latest items first, as the API lists them."""
    out.mkdir(parents=True, exist_ok=True)
    page = {"data": [item(i, "tiny") for i in reversed(range(len(ITEMS)))], "meta": {}}
    parse_obj_as(
        ExperimentItemsResponse, page
    )  # as the SDK reads what is served: raises for a page that it does not know
    (out / "items.json").write_text(json.dumps(page, indent=1) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
