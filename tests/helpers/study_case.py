"""A made-up study in a folder: prediction files and cells.csv, with numbers that plain loops can check."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import brute
from samples import write_rows

COLUMNS = [
    *("update", "old", "new", "task", "metric", "kind", "strategy", "method", "seed", "status", "reason", "n"),
    *("old_score", "new_score", "score", "nfr_new", "nfr", "nfr_mc_new", "nfr_mc", "pfr_new", "pfr"),
    *("predictions_old", "predictions_new", "predictions", "seconds", "tokens"),
]
UPDATES = {"llama_1-to-2": 0.6, "phi-to-100%": 0.4}  # and how often old is right
TASKS = {"piqa": ("acc", "discrete"), "sam_sum": ("rouge1", "continuous")}
KEPT = {"retrain": 0.0, "continue_ce": 0.2, "student_wrong": 0.7, "old_only": 0.5}  # of the flips, answers kept
SAMPLES = 60
STRATEGIES = ("retrain", "continue_ce", "student_wrong")


class Study:
    """The rows of cells.csv as dicts, and the answers behind them by path.

    called: other names for some strategies. wrong: the answers of a discrete task that are not right.
    """

    def __init__(
        self,
        folder: Path,
        strategies: Sequence[str],
        seeds: Sequence[int] = (0, 1),
        called: Mapping[str, str] | None = None,
        wrong: str = "BCD",
    ) -> None:
        self.folder, self.called, self.wrong = folder, called or {}, wrong
        self.answers: dict[str, brute.File] = {}
        axes = product(UPDATES, TASKS, strategies, seeds)
        self.cells = [self._cell(*cell) for cell in axes]

    def _cell(self, update: str, task: str, strategy: str, seed: int) -> dict[str, Any]:
        metric, kind = TASKS[task]
        paths = [f"predictions/{task}-{list(UPDATES).index(update)}-{name}-{seed}.jsonl" for name in ("old", "new")]
        paths.append(paths[1] if strategy == "retrain" else paths[0].replace("old", strategy))
        for path, name in zip(paths, ("old", "new", strategy), strict=True):
            if path not in self.answers:
                self.answers[path] = self._answers(update, kind, name, seed, [self.answers.get(p, {}) for p in paths])
                header = {"header": {"name": name, "task": task, "metric": metric, "kind": kind}}
                (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                write_rows(self.folder / path, [header, *self.answers[path].values()])
        return self._row(update, task, strategy, seed, paths)

    def _answers(self, update: str, kind: str, name: str, seed: int, known: list[brute.File]) -> brute.File:
        draw = random.Random(f"{update} {kind} {name} {seed}")
        chance = {"old": UPDATES[update], "new": 0.65}.get(name, 0.7)
        file = {}
        for i in range(SAMPLES):
            sample = f"q{i}"
            row: brute.Row = {"id": sample, "reference": ["A"]}
            if kind == "discrete":
                row["prediction"] = "A" if draw.random() < chance else draw.choice(self.wrong)
            else:
                row["score"] = round(min(1.0, max(0.0, draw.gauss(chance - 0.2, 0.15))), 3)
            keeps = name in KEPT and draw.random() < KEPT[name]
            if keeps:  # as old where new lost it, else as new
                old, new = known[0][sample], known[1][sample]
                lost = brute.lost({sample: old}, {sample: new}, sample, kind, 0.0)
                row = dict(old if lost else new)
            file[sample] = row
        return file

    def _row(self, update: str, task: str, strategy: str, seed: int, paths: list[str]) -> dict[str, Any]:
        metric, kind = TASKS[task]
        old, new, candidate = ([self.answers[path]] for path in paths)
        found = brute.account([old, new, candidate], kind)
        before, after = found["comparison"], found["candidates"][0]
        flips = {f"{name}_new": before[name] for name in ("nfr", "nfr_mc", "pfr")}
        flips |= {name: after["comparison"][name] for name in ("nfr", "nfr_mc", "pfr")}
        scores = {"old_score": found["old"]["score"], "new_score": found["new"]["score"], "score": after["score"]}
        files = dict(zip(("predictions_old", "predictions_new", "predictions"), paths, strict=True))
        place = {"update": update, "old": "a", "new": "b", "task": task, "seed": seed}
        place |= {"strategy": self.called.get(strategy, strategy), "method": strategy}
        return {**place, **scores, **flips, **files, "metric": metric, "kind": kind, "status": "done", "n": found["n"]}

    def fail(self, update: str, task: str, strategy: str, seed: int, reason: str) -> None:
        """Takes the results of a cell away, as a runner leaves one that failed."""
        for cell in self.cells:
            if (cell["update"], cell["task"], cell["strategy"], cell["seed"]) == (update, task, strategy, seed):
                kept = {name: cell[name] for name in ("update", "old", "new", "task", "strategy", "method", "seed")}
                cell.clear()
                cell.update(kept, status="failed", reason=reason)

    def write(self) -> Path:
        """The folder, with cells.csv in it."""
        with (self.folder / "cells.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.cells)
        return self.folder
