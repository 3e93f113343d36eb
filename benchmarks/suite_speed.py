"""How long a suite takes: 57 tasks of 14,000 items in all, as MMLU has them, in logs of lm-evaluation-harness.

    python benchmarks/suite_speed.py

Prints seconds and peak memory of compare_suite() on two folders, in a process of its own, and of the whole command.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TASKS, ITEMS, CHOICES = 57, 14_000, 4
DATE = "2026-01-02T03-04-05.000001"
SIDES = ("old", "new")


def write_side(folder: Path, side: int) -> Path:
    """The logs of one model; the same questions in both, of 400 characters each."""
    folder.mkdir()
    questions = np.random.default_rng(0)
    answers = np.random.default_rng(side)
    names = [f"mmlu_subject_{i}" for i in range(TASKS)]
    for name, ids in zip(names, np.array_split(np.arange(ITEMS), TASKS), strict=True):
        rows = [sample(int(i), int(questions.integers(CHOICES)), answers) for i in ids]
        (folder / f"samples_{name}_{DATE}.jsonl").write_text("\n".join(rows) + "\n")
    results = {"results": {}, "configs": {name: {} for name in names}, "versions": dict.fromkeys(names, 1.0)}
    results |= {"n-shot": dict.fromkeys(names, 0), "model_name": f"maker/{SIDES[side]}"}
    (folder / f"results_{DATE}.json").write_text(json.dumps(results))
    return folder


def sample(i: int, target: int, answers: np.random.Generator) -> str:
    """A sample as `--log_samples` writes it: a request and a response for each choice."""
    question = f"Question {i}: " + "which of these is right? " * 16
    likelihoods = answers.normal(size=CHOICES)
    likelihoods[target] += 1.0
    row = {
        "doc_id": i,
        "doc": {"question": question, "choices": list("ABCD"), "answer": target},
        "target": str(target),
        "arguments": {f"gen_args_{c}": {"arg_0": question, "arg_1": f" {'ABCD'[c]}"} for c in range(CHOICES)},
        "resps": [[[str(value), "False"]] for value in likelihoods],
        "filtered_resps": [[str(value), "False"] for value in likelihoods],
        "filter": "none",
        "metrics": ["acc"],
        "doc_hash": f"hash{i}",
        "acc": float(likelihoods.argmax() == target),
    }
    return json.dumps(row)


def run_side(folder: Path) -> None:
    from stillright import compare_suite

    started = time.perf_counter()
    suite = compare_suite(folder / "old", folder / "new")
    seconds = time.perf_counter() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    tasks, items = len(suite.tasks), sum(task.n for task in suite.tasks)
    print(f"{tasks} tasks, {items:,} items: {seconds:.2f} s, {peak_mb:,.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folder:
        run_side(args.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        old, new = (write_side(Path(name) / side, i) for i, side in enumerate(SIDES))
        subprocess.run([sys.executable, __file__, "--folder", name], check=True)
        started = time.perf_counter()
        command = [sys.executable, "-m", "stillright", "compare", str(old), str(new), "--html", f"{name}/suite.html"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        print(f"stillright compare OLD NEW --html: {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main()
