"""What answers that read nothing of the prompt but the question score in the demo's generation tasks.

    python scripts/demo/floors.py

docs/demo.md puts them beside the scores of trained models.
"""

from __future__ import annotations

import random
from collections import Counter
from statistics import mean

from stillright.config import TaskConfig
from stillright.scoring.rouge import rouge1
from stillright.tasks import Task, load_task

DRAWN = 300  # summaries that are tried as the answer to everything
ASKED = 1000  # functions on which they are tried


def _test(task: Task) -> list[dict[str, str]]:
    return list(task.harness.eval_docs)


def docstrings() -> None:
    """A summary of another function, and the one that fits most training functions."""
    task, draw = load_task(TaskConfig(name="demo_docstrings")), random.Random(0)
    train = [document["summary"] for document in task.train_documents]
    test = [document["summary"] for document in _test(task)]
    asked = draw.sample(train, ASKED)
    best = max(draw.sample(train, DRAWN), key=lambda summary: mean(rouge1(summary, other) for other in asked))
    print(f"demo_docstrings, a drawn summary: rouge1 {mean(rouge1(draw.choice(train), other) for other in test):.2%}")
    print(f"demo_docstrings, always {best!r}: rouge1 {mean(rouge1(best, other) for other in test):.2%}")


def exact() -> None:
    """The most frequent training answer to each question."""
    task = load_task(TaskConfig(name="demo_exact"))
    answers: dict[str, Counter[str]] = {}
    for document in task.train_documents:
        answers.setdefault(document["question"], Counter())[document["reference"]] += 1
    usual = {question: counts.most_common(1)[0][0] for question, counts in answers.items()}
    right = mean(usual[document["question"]] == document["reference"] for document in _test(task))
    print(f"demo_exact, always {usual}: exact_match {right:.2%}")


if __name__ == "__main__":
    docstrings()
    exact()
