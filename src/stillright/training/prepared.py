"""Rows as TRL has prepared them, whatever they were before: tokenized, perhaps cut or packed. Knows no model.

The trainer's own collator decides what is scored in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import datasets

from stillright.errors import DataError, ModelError
from stillright.forward.passes import Collate
from stillright.forward.trees import Ids
from stillright.training.text import IGNORED

COLUMNS = ("input_ids", "labels", "seq_lengths")  # those that TRL's collator reads
Datasets = Any  # a datasets.Dataset, a mapping of names to such, or None


class Row(NamedTuple):
    """One row, for teachers; see `teachers.Readable`."""

    example: dict[str, Any]  # COLUMNS of the data set
    labels: Ids  # of all tokens but the first: IGNORED where nothing is scored

    @property
    def ids(self) -> Ids:
        """All its tokens."""
        ids: Ids = self.example["input_ids"]
        return ids

    @property
    def scored(self) -> Ids:
        """Those whose prediction is scored."""
        return [label for label in self.labels if label != IGNORED]


def numbered(parts: Sequence[Datasets], collate: Collate) -> tuple[list[Datasets], list[Row]]:
    """Data sets whose rows are numbered one after the other under "text", and those rows.

    Raises DataError for data that cannot be numbered.
    """
    rows: list[Row] = []

    def number(dataset: datasets.Dataset) -> datasets.Dataset:
        first = len(rows)
        rows.extend(_rows(dataset, collate))
        others = dataset.remove_columns([name for name in ("text",) if name in dataset.column_names])
        return others.add_column("text", list(range(first, len(rows))))

    return [_each(part, number) for part in parts], rows


def _each(part: Datasets, change: Callable[[datasets.Dataset], datasets.Dataset]) -> Datasets:
    if part is None:
        return None
    return {name: change(one) for name, one in part.items()} if isinstance(part, dict) else change(part)


def _rows(dataset: Any, collate: Collate) -> list[Row]:
    if not isinstance(dataset, datasets.Dataset) or dataset.format["type"] == "custom":
        raise DataError(
            f"a {type(dataset).__name__} whose rows are made while it is read cannot be read by teachers beforehand; "
            "keep both in memory (teachers='live'), or give a data set whose rows are there"
        )
    if "input_ids" not in dataset.column_names:
        raise DataError(f"columns {', '.join(dataset.column_names)}: no tokens after preparation; images are not read")
    kept = dataset.select_columns([name for name in COLUMNS if name in dataset.column_names]).with_format(None)
    return [Row(example, collate([example])["labels"][0, 1 : len(example["input_ids"])].tolist()) for example in kept]


def refuse_unknown_ids(rows: Sequence[Row], vocabulary: int) -> None:
    """Raises ModelError where a row holds a token beyond the `vocabulary` that old and new share."""
    for i, row in enumerate(rows):
        if row.ids and max(row.ids) >= vocabulary:
            raise ModelError(
                f"row {i}: token {max(row.ids)} is beyond the {vocabulary} that both models know; "
                "the old and the new model must share a tokenizer"
            )


def refuse_other_words(rows: Sequence[Row], old: Any, new: Any) -> None:
    """Raises ModelError where a token of `rows` means other text in the tokenizer `old` than in `new`."""
    used = sorted({token for row in rows for token in row.ids})
    words = zip(used, old.convert_ids_to_tokens(used), new.convert_ids_to_tokens(used), strict=True)
    for token, old_word, new_word in words:
        if old_word != new_word:
            raise ModelError(
                f"token {token} is {old_word!r} for the old model and {new_word!r} for the new one; "
                "the old and the new model must share a tokenizer"
            )
