"""Makes tests/logs/evalscope/ with EvalScope's own cache of reviews, offline; scores and answers are canned.

pip install evalscope==1.14.1
python scripts/logs/evalscope_logs.py [OUT]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from evalscope.api.dataset import Sample
from evalscope.api.evaluator import TaskState
from evalscope.api.evaluator.cache import CacheManager
from evalscope.api.messages import ChatMessageAssistant, ChatMessageUser
from evalscope.api.metric.scorer import SampleScore, Score
from evalscope.api.model import ModelOutput
from evalscope.constants import ScoreStatus
from evalscope.utils.io_utils import OutputsStructure

OUT = Path(__file__).parents[2] / "tests" / "logs" / "evalscope"
SUMS = [  # question, answer, response, extracted, acc, status
    ("Five cars have how many wheels?", "20", "That is 20.", "20", 1.0, ScoreStatus.SUCCESS),
    ("How many legs have two cats?", "8", "Six legs.", "6", 0.0, ScoreStatus.SUCCESS),
    ("What is 6 times 7?", "42", "It is 42.", "42", 1.0, ScoreStatus.FALLBACK),
    ("What is 6 times 8?", "48", "Hm.", "", None, ScoreStatus.TRANSPORT_ERROR),
]


def review(cache: CacheManager, subset: str, number: int, row: tuple[object, ...], repeats: int = 1) -> None:
    """Writes a line."""
    question, answer, text, extracted, value, status = row
    sample = Sample(input=[ChatMessageUser(content=question)], target=answer, id=number, group_id=number // repeats)
    output = ModelOutput.from_content(model="tiny", content=text)
    state = TaskState(model="tiny", sample=sample, messages=sample.input, output=output)
    state.messages.append(ChatMessageAssistant(content=text))
    found = Score(extracted_prediction=extracted, prediction=text, status=status)
    if value is not None:
        found.value = {"acc": value, "length": float(len(str(text)))}
    score = SampleScore(
        score=found,
        sample_id=number,
        group_id=number // repeats,
        generation_index=number % repeats,
        sample_metadata={"kind": "sum"},
    )
    cache.save_review_cache(subset, state, score)


def write(out: Path) -> None:
    """A benchmark with a subset asked once, and one asked twice."""
    with tempfile.TemporaryDirectory() as folder:
        cache = CacheManager(OutputsStructure(folder), "tiny", "sums")
        for number, row in enumerate(SUMS):
            review(cache, "main", number, row)
        for number, row in enumerate([SUMS[0], SUMS[1], SUMS[1], SUMS[1]]):
            review(cache, "twice", number, row, repeats=2)
        shutil.copytree(Path(folder) / "reviews", out / "reviews", dirs_exist_ok=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
