"""What the tasks of tasks/harness call, by the names in their YAML: preparation of rows, and scores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import datasets

from stillright.demo import data
from stillright.tasks.own import read_rows, scored_by

Row = dict[str, Any]
rouge1_of_summary = scored_by("rouge1", "summary")
exact_reference = scored_by("exact_match", "reference")


def clean_chats(rows: datasets.Dataset) -> datasets.Dataset:
    """SAMSum with one kind of line end and no white space around summaries; without rows that have no dialogue."""

    def clean(row: Row) -> Row:
        return {"dialogue": row["dialogue"].replace("\r\n", "\n"), "summary": row["summary"].strip()}

    return rows.filter(lambda row: bool((row["dialogue"] or "").strip())).map(clean)


def demo_items(**_: Any) -> dict[str, datasets.Dataset]:
    """The items of the demo: functions of the standard library, each with four summaries and the right one's place."""
    return {split: read_rows(data() / f"{split}.jsonl") for split in ("train", "test")}


def with_summary(rows: datasets.Dataset) -> datasets.Dataset:
    """Items of the demo with the right summary as a column."""
    return rows.map(lambda row: {"summary": row["choices"][row["answer"]]}, remove_columns=["choices", "answer"])


def _parameters(heading: str) -> list[str]:
    """The names between the parentheses, "a.b(self, *names)" -> ["self", "*names"]."""
    inside = heading[heading.index("(") + 1 : -1]
    return inside.split(", ") if inside else []


QUESTIONS: dict[str, Callable[[list[str]], str]] = {
    "number": lambda names: str(len(names)),
    "last": lambda names: names[-1],
    "sorted": lambda names: ", ".join(sorted(names)),
}


def _asked(row: Row) -> Row:
    names = list(QUESTIONS)
    question = names[hashlib.sha256(row["heading"].encode()).digest()[0] % len(names)]
    return {"question": question, "reference": QUESTIONS[question](_parameters(row["heading"]))}


def with_question(rows: datasets.Dataset) -> datasets.Dataset:
    """Items of the demo that have two parameters or more, each with a question about them and its computed answer."""
    several = rows.filter(lambda row: len(_parameters(row["heading"])) > 1)
    return several.map(_asked, remove_columns=["choices", "answer"])
