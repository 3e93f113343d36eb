"""The smallest run and the smallest study: two tiny bases that are in the repository, a few rows, seconds each."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
TINY = ROOT / "recipes" / "tiny"
TASK = {
    "name": "choices",
    "train": str(TINY / "train.jsonl"),
    "test": str(TINY / "test.jsonl"),
    "prompt": "{{heading}}",
    "choices": "choices",
    "answer": "answer",
    "delimiter": "\n",
    "metric": "acc_norm",
    "train_limit": 12,
    "test_limit": 8,
}
SETTINGS: dict[str, Any] = {
    "lora": {"r": 2, "alpha": 4},
    "training": {"epochs": 2, "learning_rate": 0.02, "batch_size": 8, "gradient_accumulation": 1, "max_length": 96},
    "dtype": "float32",
}
UPDATE = {
    "old": str(TINY / "phi_old"),
    "new": str(TINY / "phi_new"),
    "task": TASK,
    "strategy": {"mask": "student_wrong"},
    "controls": [],
    **SETTINGS,
}
STUDY = {
    "bases": {"old": UPDATE["old"], "new": UPDATE["new"]},
    "updates": [["old", "new"]],
    "tasks": {"choices": TASK},
    "strategies": {"retrain": {}, "student_wrong": {"ce_weight": 0.5}},
    "common": SETTINGS,
}
OUT = re.compile(r'/[^\s"+]*/out(?=[/"+])')  # the run folder, wherever it is or was
TIMES = ("seconds",)  # columns of cells.csv that no two studies share


@dataclass(frozen=True)
class Job:
    """A command that makes a folder, and what of that folder must be the same however it came to be."""

    name: str
    values: dict[str, Any]
    result: Callable[[Path], dict[str, str]]

    def argv(self, folder: Path) -> list[str]:
        """The arguments of stillright that make `folder`/out; writes the configuration beside it if there is none."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.name}.yaml"
        if not file.exists():
            file.write_text(yaml.safe_dump({**self.values, "out": str(folder / "out")}), encoding="utf-8")
        return [self.name, str(file)]

    def command(self, folder: Path) -> list[str]:
        """The same as a process."""
        return [sys.executable, "-m", "stillright", *self.argv(folder)]


def _text(file: Path) -> str:
    return OUT.sub("OUT", file.read_text(encoding="utf-8"))


def result_of_run(out: Path) -> dict[str, str]:
    """The comparison, the answers and the adapters. Paths are told as below OUT."""
    texts = [out / "comparison.json", *sorted(out.glob("predictions/*.jsonl"))]
    weights = sorted(out.glob("adapters/*/adapter_model.safetensors"))
    digests = {str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest() for file in weights}
    return {str(file.relative_to(out)): _text(file) for file in texts} | digests


def result_of_study(out: Path) -> dict[str, str]:
    """The cells without times, and the answers they name."""
    cells = list(csv.DictReader(io.StringIO((out / "cells.csv").read_text(encoding="utf-8"))))
    files = {cell[name] for cell in cells for name in cell if name.startswith("predictions") and cell[name]}
    told = [{name: value for name, value in cell.items() if name not in TIMES} for cell in cells]
    return {"cells": json.dumps(told), **{file: _text(out / file) for file in sorted(files)}}


RUN = Job("run", UPDATE, result_of_run)
MATRIX = Job("study", STUDY, result_of_study)


def differences(job: Job, out: Path, wanted: dict[str, str]) -> list[str]:
    """The names of what is not as in an undisturbed folder."""
    try:
        found = job.result(out)
    except (OSError, ValueError, KeyError) as error:
        return [f"{type(error).__name__}: {error}"]
    return [name for name in sorted(wanted.keys() | found.keys()) if wanted.get(name) != found.get(name)]
