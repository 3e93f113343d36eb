"""Makes tests/logs/opencompass/ with an evaluator of OpenCompass, offline; the answers are canned.

pip install opencompass==0.5.4
python scripts/logs/opencompass_logs.py [OUT]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from datasets import Dataset
from opencompass.openicl.icl_evaluator.icl_em_evaluator import EMEvaluator

OUT = Path(__file__).parents[2] / "tests" / "logs" / "opencompass"
ROWS = [("white", "white"), ("white", "black"), ("blue", "blue")]  # prediction, answer
REPLICA = [("black", "white"), ("black", "black"), ("blue", "blue")]


def write(path: Path, replicas: list[list[tuple[str, str]]]) -> None:
    """The results of a data set whose examples were asked once for each replica."""
    rows = [row for replica in replicas for row in replica]
    known = [{"subdivision": "colours", "idx": i} for replica in replicas for i in range(len(replica))]
    predictions, answers = [row[0] for row in rows], [[row[1]] for row in rows]
    found = EMEvaluator().evaluate(
        1, len(replicas), Dataset.from_list(known), predictions=predictions, references=answers
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=4, ensure_ascii=False, default=float))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    write(target / "results/tiny/colours.json", [ROWS])
    write(target / "results/tiny/twice.json", [ROWS, REPLICA])
