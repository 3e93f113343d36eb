"""Whether a text is one right answer or a list of several. Knows texts and columns, no format.

Several are a list of quoted texts, as JSON or Python writes it; [0, 1] is one answer that has brackets. Where a model
wrote exactly the text, that is right as well, since then nothing has to be guessed.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import polars as pl

from stillright.errors import DataError
from stillright.records import Column
from stillright.scoring.canonical import canonical


def quoted_texts(text: str) -> list[str] | None:
    """The texts in a list of quoted texts; None for any other text."""
    if text[:1] != "[" or text[-1:] != "]":
        return None
    value: Any = None
    with suppress(ValueError, RecursionError):
        value = json.loads(text)
    if value is None:
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            value = ast.literal_eval(text)
            value = value if repr(value) == text else None  # Python joins 'a' 'b', as NumPy writes two texts
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        return None
    return [each.encode("utf-8", "replace").decode() for each in value]  # half a surrogate pair becomes "?"


def as_written(several: list[str], text: str, answers: Iterable[Any]) -> list[str]:
    """`several` right answers, and the `text` that lists them where one of `answers` is exactly it."""
    whole = any(isinstance(each, str) and each.strip() == text.strip() for each in answers)
    return [*several, text] if whole else several


def with_listed_references(columns: Mapping[str, Column], place: str) -> Mapping[str, Column]:
    """Our `columns` of a table, with lists for those texts in `reference` that list several right answers.

    Raises DataError naming `place` and the row where it matters which of the two a text is, and it does not say.
    """
    references = columns.get("reference")
    if references is None or (isinstance(references, pl.Series) and references.dtype != pl.String):
        return columns
    bracketed = _bracketed(references)
    values = list(references) if bracketed else []
    for i in bracketed:
        given = {name: _at(columns.get(name), i) for name in ("prediction", "output", "correct")}
        several = quoted_texts(values[i])
        if several is not None:
            values[i] = as_written(several, values[i], (given["prediction"], given["output"]))
        elif given["correct"] is None:
            _refuse_ambiguous(given["prediction"], values[i], f"{place}: row {i + 1}")
    return {**columns, "reference": values} if bracketed else columns


def _bracketed(column: Column) -> list[int]:
    """The rows with a text that begins as a list does."""
    if isinstance(column, pl.Series):
        return column.str.starts_with("[").arg_true().to_list()
    return [i for i, value in enumerate(column) if isinstance(value, str) and value[:1] == "["]


def _at(column: Column | None, row: int) -> Any:
    return None if column is None else column[row]


def _refuse_ambiguous(prediction: Any, reference: str, place: str) -> None:
    """Raises DataError if the prediction is right should the reference be several answers, and wrong else."""
    if prediction is None or prediction == reference:
        return
    inner = reference.strip("[] ")
    items = [*re.split(r"[,;]|(?<=['\"])\s+(?=['\"])", inner), *inner.split()]
    if canonical(str(prediction)) in {canonical(item.strip("'\" ")) for item in items}:
        raise DataError(
            f"{place}: prediction {str(prediction)!r:.40} is one of those in reference {reference!r:.60}, which may be "
            'one answer or several; write several as quoted texts, ["a", "b"], or say what is right in a column correct'
        )
