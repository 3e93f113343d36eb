"""Samples of a task as rows of predictions: what each is called, and what is kept of an answer to it."""

from __future__ import annotations

from collections.abc import Sequence

from stillright.errors import TaskError
from stillright.records import TASK, TYPES, Row
from stillright.tasks.task import Document, Task
from stillright.values import as_text

SHORT = 100  # characters of a text that one may slice by
OURS = {*TYPES, TASK, "header"}  # names with a meaning in a file of predictions


def own_ids(documents: Sequence[Document]) -> list[str] | None:
    """The values of their column id; None unless all have one, and no two the same."""
    ids = [str(document.get("id", "")) for document in documents]
    return ids if ids and "" not in ids and len(set(ids)) == len(ids) else None


def sample_ids(documents: Sequence[Document], positions: Sequence[int]) -> list[str]:
    """Their own ids, or else their places in the harness's split."""
    return own_ids(documents) or list(map(str, positions))


def labels_of(task: Task, columns: Sequence[str]) -> dict[str, list[str | None]]:
    """What the test documents have in these columns, as text, beside their `id`. Raises TaskError for one that none
    has."""
    documents = task.test_documents
    for name in columns:
        if not any(name in document for document in documents):
            known = ", ".join(dict.fromkeys(key for document in documents for key in document))
            raise TaskError(f"slices: the test rows of {task.name} have no column {name!r}; there is {known}")
    values = {name: [_text(document.get(name)) for document in documents] for name in columns}
    return {"id": list(sample_ids(documents, task.test_positions)), **values}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def with_short_columns(rows: Sequence[Row], documents: Sequence[Document]) -> list[Row]:
    """The rows with what their documents have to slice by: columns of short texts, numbers, true and false, unless they
    are called as ours are."""
    names = dict.fromkeys(name for document in documents for name in document if name not in OURS)
    kept = [name for name in names if all(_is_short(document.get(name)) for document in documents)]
    return [
        {**row, **{name: as_text(document.get(name)) for name in kept}}
        for row, document in zip(rows, documents, strict=True)
    ]


def _is_short(value: object) -> bool:
    if isinstance(value, str | int | float):
        return len(str(value)) <= SHORT
    return value is None


def choice_row(task: Task, document: Document, identifier: str, number: int | None) -> Row:
    """number: of the choice taken; None: no answer, so the row is unscored."""
    choices, accepted = task.choices(document), task.accepted(document)
    row = {
        "id": identifier,
        "prompt": task.prompt(document),
        "reference": list(map(str, accepted)),
        "choices": len(choices),
        "choice_texts": choices,
    }
    if number is None:
        return row
    return {**row, "prediction": str(number), "correct": number in accepted, "output": choices[number]}


def generation_row(
    task: Task, document: Document, identifier: str, output: str | None, score: float | None, tokens: int | None
) -> Row:
    """output: the text, None for no answer; score: the metric's value, None where the row is unscored; tokens: of what
    the model wrote, None where nobody counted them."""
    discrete, scored = task.kind == "discrete", score is not None
    return {
        "id": identifier,
        "prompt": task.prompt(document),
        "prediction": output if discrete and scored else None,
        "reference": task.references(document),
        "correct": score == 1.0 if discrete and scored else None,
        "score": None if discrete else score,
        "output": output,
        "output_tokens": tokens,
    }
