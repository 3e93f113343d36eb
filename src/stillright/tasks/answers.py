"""A log of a model's answers, joined to the rows of a task: by id, else by prompt, never by a guess.

The log is whatever `stillright compare` reads. Knows no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from stillright.errors import DataError
from stillright.importers import Selection, read_predictions
from stillright.records import Header, PredictionSet, Row
from stillright.tasks.samples import choice_row, generation_row, own_ids, sample_ids, with_short_columns
from stillright.tasks.task import Document, Task

SHOWN = 40  # characters of each end of an example in an error


class Split(NamedTuple):
    """Rows of a task that a log may answer."""

    name: str  # for people
    documents: list[Document]
    positions: list[int]  # theirs in the harness's split

    def ids(self, log: PredictionSet) -> list[str]:
        """What a log calls them: their own ids if it has any of these, else their positions, as the harness does."""
        own = own_ids(self.documents)
        return own if own and log.table["id"].is_in(own).any() else list(map(str, self.positions))


def splits_of(task: Task) -> tuple[Split, Split]:
    """Training rows, and those to predict."""
    return (
        Split("training rows", task.train_documents, task.train_positions),
        Split("rows to predict", task.test_documents, task.test_positions),
    )


def read_log(path: Path, task: Task) -> PredictionSet:
    """The log in a file or folder; one that ranks choices, by the task's metric. Raises DataError."""
    found = read_predictions(path)
    ranked = task.is_choice and found.table["choices"].is_not_null().any()
    if ranked and found.header.metric not in (None, task.metric):
        return read_predictions(path, Selection(metric=task.metric))
    return found


@dataclass(frozen=True)
class Answers:
    """What a log has of each row of a split, None where it has nothing."""

    task: Task
    split: Split
    place: str  # of the log, in errors
    header: Header
    rows: list[Row | None]
    unused: int  # rows of the log that answer none of the split

    @cached_property
    def choices(self) -> list[int | None]:
        """The number of the choice taken, for each row. Raises DataError where the log tells none."""
        found = [
            None if row is None else choice_of(row, self.task.choices(document))
            for row, document in zip(self.rows, self.split.documents, strict=True)
        ]
        if all(number is None for number in found):
            i = next(i for i, row in enumerate(self.rows) if row is not None)
            raise DataError(
                f"{self.place}: no answer is one of the choices, such as {_said(self.rows[i])} of "
                f"{self.task.choices(self.split.documents[i])}; an answer is a choice's text, or its number from 0"
            )
        return found

    @cached_property
    def right_texts(self) -> list[str | None]:
        """The text that was generated, for each row where it is right by the task's metric."""
        texts = [None if row is None else text_of(row) for row in self.rows]
        return [
            text if text is not None and self.task.score(document, text) == 1.0 else None
            for text, document in zip(texts, self.split.documents, strict=True)
        ]

    def predictions(self, name: str) -> PredictionSet:
        """As predictions of a model called so; rows without an answer are unscored."""
        rows = self._choice_rows() if self.task.is_choice else self._generation_rows()
        header = Header(
            name=name,
            task=self.task.name,
            metric=self.task.metric,
            filter=self.task.filter,
            kind=self.task.kind,  # no settings: how the model was asked is known only as far as prompts agree
            source={"model": self.header.source.get("model") or self.header.name},
        )
        return PredictionSet.from_rows(header, with_short_columns(rows, self.split.documents), self.place)

    def _choice_rows(self) -> list[Row]:
        numbered = zip(self.split.documents, self._sample_ids(), self.choices, strict=True)
        rows = [choice_row(self.task, document, identifier, number) for document, identifier, number in numbered]
        return [{**row, **self._how_sure(told, row)} for row, told in zip(rows, self.rows, strict=True)]

    def _how_sure(self, told: Row | None, row: Row) -> Row:
        """What the log says of how likely choices are: log-likelihoods where its choices are those of `row`, the margin
        where it is of the task's metric, and above zero just where the answer is right."""
        if told is None or row.get("correct") is None:
            return {}
        ahead = told["margin"]
        same_ranks = self.header.metric in (None, self.task.metric)
        agrees = same_ranks and ahead is not None and (ahead == 0 or (ahead > 0) == row["correct"])
        same_choices = told.get("choice_texts") == row["choice_texts"]
        return {
            "margin": ahead if agrees else None,
            "loglikelihoods": told.get("loglikelihoods") if same_choices else None,
        }

    def _generation_rows(self) -> list[Row]:
        rows = []
        for document, identifier, row in zip(self.split.documents, self._sample_ids(), self.rows, strict=True):
            text, score = (None, None) if row is None else (text_of(row), self._score(document, row))
            tokens = None if row is None else row.get("output_tokens")
            rows.append(generation_row(self.task, document, identifier, text, score, tokens))
        return rows

    def _sample_ids(self) -> list[str]:
        return sample_ids(self.split.documents, self.split.positions)

    def _score(self, document: Document, row: Row) -> float | None:
        """The log's own where it names the task's metric and filter, since it may keep only what the filter left of a
        text; else that of the text."""
        if (self.header.metric, self.header.filter) == (self.task.metric, self.task.filter):
            verdict = row["score"] if row["correct"] is None else row["correct"]
            return None if verdict is None else float(verdict)
        text = text_of(row)
        return None if text is None else self.task.score(document, text)

    def account(self) -> str:
        """How far the log goes, in words."""
        usable = self.choices if self.task.is_choice else [None if row is None else text_of(row) for row in self.rows]
        answered = sum(each is not None for each in usable)
        further = f"; {self.unused:,} further answers are to none of them" if self.unused else ""
        return f"{self.place}: answers {answered:,} of {len(self.rows):,} {self.split.name}{further}"


def join(log: PredictionSet, task: Task, split: Split, place: str, shared_ids: bool) -> Answers:
    """The answers of `log` to the rows of `split`: by id, unless the log shows another question; else by a prompt that
    both have once.

    shared_ids: an id may be that of a row of another split, so it counts only where the prompts agree.
    Raises DataError, with an example of each side, where no row is answered.
    """
    by_id: dict[str, Row] = {row["id"]: row for row in log.table.iter_rows(named=True)}
    by_prompt = _once([(_prompt(row), row) for row in by_id.values()])
    prompts = [task.prompt(document).strip() for document in split.documents]
    repeated = {prompt for prompt, count in Counter(prompts).items() if count > 1}
    ids, rows = split.ids(log), list[Row | None]()
    for document, identifier, prompt in zip(split.documents, ids, prompts, strict=True):
        row = by_id.get(identifier)
        if row is None or not _same_question(row, task, document, prompt, shared_ids):
            row = None if prompt in repeated else by_prompt.get(prompt)
        rows.append(row)
    used = {row["id"] for row in rows if row is not None}
    if not used:
        raise DataError(_no_row(by_id, split, ids, prompts, place))
    return Answers(task, split, place, log.header, rows, unused=len(by_id) - len(used))


def _prompt(row: Row) -> str | None:
    return None if row["prompt"] is None else row["prompt"].strip()


def _once(pairs: Sequence[tuple[str | None, Row]]) -> dict[str | None, Row]:
    """The rows by prompts, of those that occur once."""
    counts = Counter(prompt for prompt, _ in pairs)
    return {prompt: row for prompt, row in pairs if prompt is not None and counts[prompt] == 1}


def _same_question(row: Row, task: Task, document: Document, prompt: str, shared_ids: bool) -> bool:
    """Whether a row of the same id agrees, as far as it tells: in the prompt, or else in the right answer."""
    if row["prompt"] is not None or shared_ids:
        return _prompt(row) == prompt
    return row["reference"] is None or not set(row["reference"]).isdisjoint(_right_answers(task, document))


def _right_answers(task: Task, document: Document) -> list[str]:
    """In every form that a log may write them."""
    if not task.is_choice:
        return task.references(document)
    choices = task.choices(document)
    return [form for number in task.accepted(document) for form in (str(number), choices[number])]


def _no_row(log: dict[str, Row], split: Split, ids: list[str], prompts: list[str], place: str) -> str:
    """The message where nothing joins; its example is a pair of the same id, where there is one."""
    i = next((i for i, identifier in enumerate(ids) if identifier in log), 0)
    row = log.get(ids[i]) or next(iter(log.values()))
    return (
        f"{place}: none of its {len(log):,} answers is to one of the {split.name}: it has, for instance, id "
        f"{row['id']!r} with prompt {_shown(row['prompt'])}, and the task id {ids[i]!r} with prompt "
        f"{_shown(prompts[i])}; a log of this task has the same prompts, or the ids of its rows and no prompts"
    )


def _shown(text: Any) -> str:
    """A text of which both ends are seen: prompts of one template are alike at their end, and few shots come first."""
    if text is None:
        return "unknown"
    return repr(text) if len(text) <= 2 * SHOWN else f"{text[:SHOWN] + ' … ' + text[-SHOWN:]!r} ({len(text):,} letters)"


def _said(row: Row | None) -> str:
    return _shown(row and (row["output"] or row["prediction"]))


def choice_of(row: Row, choices: list[str]) -> int | None:
    """The number of the choice that a row of a log takes, by number or text; None where it tells none, or may tell
    two."""
    texts, said = [choice.strip() for choice in choices], row["prediction"]
    readings = _by_text(texts, said)
    if said is not None and said.isdecimal() and int(said) < len(texts):
        readings |= {int(said)}
    written = _by_text(texts, row["output"])
    if written:  # which also tells whether the prediction is a number or a text
        readings = readings & written if readings else written
    return readings.pop() if len(readings) == 1 else None


def _by_text(texts: list[str], said: str | None) -> set[int]:
    return set() if said is None else {number for number, text in enumerate(texts) if text == said.strip()}


def text_of(row: Row) -> str | None:
    """The text that a row of a log has; None for a row without any answer, which importers give an empty output."""
    if not row["output"] and all(row[name] is None for name in ("prediction", "correct", "score")):
        return None
    text: str | None = row["prediction"] if row["output"] is None else row["output"]
    return None if text is None else text.strip()
