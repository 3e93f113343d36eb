"""The demo: two builds of a tiny base and a task about Python's own documentation; no network.

The bases were pre-trained and the items frozen by scripts/demo; docs/demo.md tells how, and how the settings were
chosen. They lie beside this file in a checkout, and in a distribution of their own, stillright-demo, on PyPI: who only
compares need not fetch them.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from stillright.errors import MissingExtra


def data() -> Path:
    """The folder of bases and items. Raises MissingExtra where there is neither a checkout nor stillright-demo."""
    checkout = Path(__file__).parent / "data"
    if checkout.is_dir():
        return checkout
    try:
        return Path(str(files("stillright_demo") / "data"))
    except ModuleNotFoundError:
        raise MissingExtra(
            "the demo's bases and items are not installed; "
            "install them with: pip install 'stillright[demo]', in a checkout: pip install ./packages/demo"
        ) from None


def demo_update(out: Path) -> dict[str, Any]:
    """The demo as the values of an update.yaml. Raises MissingExtra as data() does."""
    folder = data()
    return {
        "old": str(folder / "old_build"),
        "new": str(folder / "new_build"),
        "task": {
            "name": "docstrings",
            "train": str(folder / "train.jsonl"),
            "test": str(folder / "test.jsonl"),
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
