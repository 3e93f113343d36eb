"""Rows of a made-up task, and files of them."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import stillright

COLOURS = ["red", "green", "blue", "white", "black", "brown"]
THINGS = ["sky", "grass", "snow", "coal", "rose", "wood", "sea", "leaf"]


def environment(**more: str) -> dict[str, str]:
    """This process's, for another one that imports the same stillright from any folder."""
    return {**os.environ, "PYTHONPATH": str(Path(stillright.__file__).parents[1]), **more}


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """`rows` as JSONL."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def colour_rows(n: int, seed: int) -> list[dict[str, Any]]:
    """Questions about things and colours, with the right colour's number and text."""
    draw = random.Random(seed)
    rows = []
    for i in range(n):
        choices = draw.sample(COLOURS, 3)
        answer = draw.randrange(3)
        rows.append(
            {
                "id": f"q{seed}-{i}",
                "question": f"What colour is the {draw.choice(THINGS)}",
                "choices": choices,
                "label": answer,
                "text": f"it is {choices[answer]} today",
            }
        )
    return rows


def generation(task: dict[str, Any], metric: str) -> dict[str, Any]:
    """A task with choices as one whose answers are generated."""
    kept = {key: value for key, value in task.items() if key != "choices"}
    return {**kept, "answer": "text", "metric": metric, "max_new_tokens": 8}
