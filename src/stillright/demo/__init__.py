"""The embedded default: two builds of a tiny base and a task about Python's own documentation; no network.

The bases were pre-trained and the items frozen by scripts/demo; docs/demo.md tells how, and how the settings were
chosen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


def demo_update(out: Path) -> dict[str, Any]:
    """The demo as the values of an update.yaml."""
    return {
        "old": str(DATA / "old_build"),
        "new": str(DATA / "new_build"),
        "task": {
            "name": "docstrings",
            "train": str(DATA / "train.jsonl"),
            "test": str(DATA / "test.jsonl"),
            "prompt": "{{heading}}",
            "choices": "choices",
            "answer": "answer",
            "delimiter": "\n",
            "metric": "acc_norm",
            "train_limit": 2400,
        },
        "lora": {"r": 16, "alpha": 32},
        "training": {
            "epochs": 1,
            "learning_rate": 2e-3,
            "batch_size": 16,
            "gradient_accumulation": 1,
            "max_length": 256,
        },
        "predict_batch_size": 64,
        "controls": [],  # continue_ce would take the job beyond two and a half minutes
        "out": str(out),
    }
