"""Makes tests/logs/inspect/ by running Inspect on tiny tasks with a model of canned answers, offline.

python -m venv /tmp/stillright-logs/venv   # a failed sample's traceback holds the paths of all code
/tmp/stillright-logs/venv/bin/pip install inspect-ai==0.3.285
/tmp/stillright-logs/venv/bin/python scripts/logs/inspect_logs.py [OUT]

choice.eval, choice.json   five choices: three right, one wrong, one that fails before it is answered
words.eval                 four words to spell, two epochs; scored by match() and by a similarity of our own
partial.json               the four grades: correct, partial, incorrect, no answer
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import inspect_ai
from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import EvalLog
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import CORRECT, INCORRECT, NOANSWER, PARTIAL, Score, accuracy, choice, match, mean, scorer
from inspect_ai.solver import generate, multiple_choice, solver

WORK = Path("/tmp/stillright-logs/inspect")  # logs hold paths, so run where every machine has the same one
OUT = Path(__file__).parents[2] / "tests" / "logs" / "inspect"

CHOICES = [  # id, question, options, target, what the canned model says
    ("sky", "What colour is the sky?", ["red", "blue"], "B", "ANSWER: B"),
    ("grass", "What colour is grass?", ["green", "pink"], "A", "I think so.\n\nANSWER: A"),
    ("snow", "What colour is snow?", ["black", "white", "blue"], "B", "ANSWER: C"),
    ("coal", "What colour is coal?", ["black", "white"], "A", "ANSWER: A"),
    ("sea", "What colour is the sea?", ["blue", "orange"], "A", "never asked"),
]
WORDS = [("cat", "c a t"), ("house", "h o u s e"), ("tree", "t r e e"), ("über", "ü b e r")]
SPELT = [["c a t", "h o u s", "t r e e", "u b e r"], ["c a t", "h o u s e", "t r e", "ü b e r"]]  # by epoch


@solver  # type: ignore[untyped-decorator]
def fails_on(word: str) -> Any:
    """Raises where the question is about `word`."""

    async def solve(state: Any, generate: Any) -> Any:
        if word in state.input_text:
            raise RuntimeError("the service is down")
        return state

    return solve


@scorer(metrics=[mean()])  # type: ignore[untyped-decorator]
def overlap() -> Any:
    """The share of the target's letters that were written, in their places."""

    async def score(state: Any, target: Any) -> Score:
        said, wanted = state.output.completion.split(), target.text.split()
        same = sum(one == other for one, other in zip(said, wanted, strict=False))
        return Score(value=same / len(wanted), answer=state.output.completion)

    return score


@scorer(metrics=[accuracy()])  # type: ignore[untyped-decorator]
def grade() -> Any:
    """The grade that the sample's metadata names."""
    grades = {"correct": CORRECT, "partial": PARTIAL, "incorrect": INCORRECT, "none": NOANSWER}

    async def score(state: Any, target: Any) -> Score:
        return Score(value=grades[state.metadata["grade"]], answer=state.output.completion)

    return score


def canned(texts: list[str]) -> Any:
    """A model that says these, one after another."""
    usage = ModelUsage(input_tokens=2, output_tokens=1, total_tokens=3)  # else a tokenizer is fetched to count them
    outputs = [ModelOutput.from_content("mockllm/model", text) for text in texts]
    outputs = [output.model_copy(update={"usage": usage}) for output in outputs]
    return get_model("mockllm/model", custom_outputs=outputs, memoize=False)


def run(task: Task, texts: list[str], form: Any, **arguments: Any) -> EvalLog:
    """The log of one run, samples one after another so that each gets its canned text."""
    logs = inspect_ai.eval(
        task,
        model=canned(texts),
        log_dir=str(WORK / "logs"),
        log_format=form,
        max_samples=1,
        temperature=0.0,
        display="none",
        score_display=False,
        **arguments,
    )
    return logs[0]


def choice_task() -> Task:
    """The multiple choices, with the last one failing."""
    samples = [
        Sample(
            id=name, input=question, choices=options, target=target, metadata={"thing": name, "options": len(options)}
        )
        for name, question, options, target, _ in CHOICES
    ]
    return Task(
        MemoryDataset(samples), solver=[fails_on("sea"), multiple_choice()], scorer=choice(), name="choice", version=2
    )


def main(out: Path) -> None:
    """Runs the tasks and puts the logs into `out`, which is emptied first."""
    os.chdir(WORK)
    said = [text for *_, text in CHOICES]
    words = Task(
        MemoryDataset(
            [Sample(id=number, input=f"Spell {word}.", target=spelt) for number, (word, spelt) in enumerate(WORDS, 1)]
        ),
        solver=generate(),
        scorer=[match(location="exact"), overlap()],
        name="words",
    )
    graded = ["correct", "partial", "incorrect", "none"]
    partial = Task(
        MemoryDataset([Sample(id=f"q{name}", input="?", target="!", metadata={"grade": name}) for name in graded]),
        solver=generate(),
        scorer=grade(),
        name="partial",
    )
    logs = {
        "choice.eval": run(choice_task(), said, "eval", fail_on_error=False),
        "choice.json": run(choice_task(), said, "json", fail_on_error=False),
        "words.eval": run(words, SPELT[0] + SPELT[1], "eval", epochs=2),
        "partial.json": run(partial, ["one", "two", "three", ""], "json"),
    }
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name, log in logs.items():
        shutil.copyfile(log.location, out / name)


def restart_from_work(out: Path) -> None:
    """Runs a copy of this file, since its path comes into the logs as well."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy = str(shutil.copy(__file__, WORK))
    os.execv(sys.executable, [sys.executable, copy, str(out.resolve())])


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    if Path(__file__).parent != WORK:
        restart_from_work(target)
    main(target)
