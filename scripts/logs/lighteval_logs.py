"""Makes tests/logs/lighteval/ with LightEval's own tracker, offline; the responses are canned.

pip install lighteval==0.13.0
python scripts/logs/lighteval_logs.py [OUT]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from datasets import Dataset
from lighteval.logging.evaluation_tracker import EvaluationTracker
from lighteval.models.model_output import ModelResponse
from lighteval.tasks.requests import Doc

OUT = Path(__file__).parents[2] / "tests" / "logs" / "lighteval"
DATE = "2026-11-30T10-00-00.000001"
CHOICES = [  # question, choices, the right one, log-likelihoods, acc
    ("What colour is snow?", [" white", " black"], 0, [-1.5, -2.5], 1),
    ("What colour is coal?", [" white", " black"], 1, [-1.0, -3.0], 0),
    ("What colour is the sea on a map?", [" pink", " blue"], 1, [-2.0, -0.5], 1),
]
SUMS = [  # question, answer, response, extractive_match
    ("Five cars have how many wheels?", "20", "That is 20.", 1.0),
    ("How many legs have two cats?", "8", "Six legs.", 0.0),
    ("What is 6 times 7?", "42", "", float("nan")),
]


def write(out: Path) -> None:
    """A task of choices and one of generated answers."""
    with tempfile.TemporaryDirectory() as folder:
        tracker = EvaluationTracker(output_dir=folder, save_details=True)
        tracker.general_config_logger.model_name = "harbour/tiny"
        for i, (question, choices, gold, logprobs, acc) in enumerate(CHOICES):
            doc = Doc(query=f"Question: {question}\nAnswer:", choices=choices, gold_index=gold, id=str(i))
            response = ModelResponse(input=doc.query, logprobs=logprobs, argmax_logits_eq_gold=[False, False])
            tracker.details_logger.log("colours", doc, response, {"acc": acc, "acc_norm": 1 - acc})
        for i, (question, answer, text, value) in enumerate(SUMS):
            doc = Doc(query=question, choices=[answer], gold_index=0, id=str(i), specific={"unit": "none"})
            response = ModelResponse(input=[{"role": "user", "content": question}], text=[text])
            tracker.details_logger.log("sums", doc, response, {"extractive_match": value})
        details = tracker.details_logger.details
        tracker.save_details(DATE, {task: Dataset.from_list(list(map(asdict, rows))) for task, rows in details.items()})
        shutil.copytree(Path(folder) / "details", out / "details", dirs_exist_ok=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
