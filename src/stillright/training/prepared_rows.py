"""Rows as TRL has prepared them, whatever they were before: tokenized, perhaps cut or packed. Knows no model.

The trainer's own collator decides what is scored in a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import datasets
import numpy as np
from numpy.typing import NDArray

from stillright.errors import DataError
from stillright.forward.passes import Collate
from stillright.training.text import IGNORED

COLUMNS = ("input_ids", "labels", "seq_lengths")  # those that TRL's collator reads
Array = NDArray[np.int64]
Datasets = Any  # a datasets.Dataset, a mapping of names to such, or None


class Row(NamedTuple):
    """One row of L tokens, as arrays, for teachers; see Text."""

    ids: Array  # (L,) all its tokens
    example: dict[str, Any]  # COLUMNS of the data set, (L,) each, but the lengths of texts that are packed
    labels: Array  # (L - 1,) of all tokens but the first: IGNORED where nothing is scored

    @property
    def scored(self) -> Array:
        """Those whose prediction is scored."""
        scored: Array = self.labels[self.labels != IGNORED]
        return scored


def rows_digest(rows: Sequence[Row]) -> str:
    """SHA-256 of what teachers read of these rows."""
    digest = hashlib.sha256()
    for row in rows:
        for values in (row.ids, row.labels, row.example.get("seq_lengths", np.empty(0, np.int64))):
            digest.update(len(values).to_bytes(8, "little"))
            digest.update(np.ascontiguousarray(values, "<i8").data)
    return digest.hexdigest()


def numbered(parts: Sequence[Datasets], collate: Collate) -> tuple[list[Datasets], list[Row]]:
    """Data sets whose rows are numbered one after the other under "text", and those rows.

    Raises DataError for data that cannot be numbered.
    """
    rows: list[Row] = []

    def number(dataset: datasets.Dataset) -> datasets.Dataset:
        first = len(rows)
        rows.extend(_rows(dataset, collate))
        others = dataset.remove_columns([name for name in ("text",) if name in dataset.column_names])
        return others.with_format(None).add_column("text", list(range(first, len(rows))))

    return [_each(part, number) for part in parts], rows


def _each(part: Datasets, change: Callable[[datasets.Dataset], datasets.Dataset]) -> Datasets:
    if part is None:
        return None
    return {name: change(one) for name, one in part.items()} if isinstance(part, dict) else change(part)


def _rows(dataset: Any, collate: Collate) -> Iterator[Row]:
    if not _is_there(dataset):
        raise DataError(
            f"a {type(dataset).__name__} whose rows are made while it is read cannot be read by teachers beforehand; "
            "keep both in memory (teachers='live'), or give a data set whose rows are there"
        )
    if "input_ids" not in dataset.column_names:
        raise DataError(f"columns {', '.join(dataset.column_names)}: no tokens after preparation; images are not read")
    kept = dataset.select_columns([name for name in COLUMNS if name in dataset.column_names]).with_format("numpy")
    for example in kept:
        ids = example["input_ids"]
        yield Row(ids, example, collate([example])["labels"][0, 1 : len(ids)].numpy())


def _is_there(dataset: Any) -> bool:
    """Whether its rows can be read now, and are then what they are now."""
    return isinstance(dataset, datasets.Dataset) and dataset.format["type"] != "custom"


def _named(parts: Mapping[str, Datasets]) -> Iterator[tuple[str, Any]]:
    """Single data sets, with the argument that they were given as."""
    for name, part in parts.items():
        for one in part.values() if isinstance(part, dict) else [part]:
            if one is not None:
                yield name, one


def refuse_empty(parts: Mapping[str, Datasets]) -> None:
    """Raises DataError for a data set without rows; of a stream nothing is known."""
    for name, one in _named(parts):
        if hasattr(one, "__len__") and not len(one):
            raise DataError(f"{name}: has no rows")


def refuse_unscored(parts: Mapping[str, Datasets], collate: Collate) -> None:
    """Raises DataError for a data set in which nothing is scored; of a stream nothing is known."""
    for name, one in _named(parts):
        if _is_there(one) and not any(len(row.scored) for row in _rows(one, collate)):
            raise DataError(
                f"{name}: no token of its rows is scored; look at its labels, at max_length, and at what "
                "completion_only_loss and assistant_only_loss leave"
            )


def tokens_of(parts: Mapping[str, Datasets], tokenizer: Any, known: int) -> list[int]:
    """Which tokens the data sets hold; of a stream, all of the tokenizer among the `known` of the new model."""
    tokens: set[int] = set()
    for _, one in _named(parts):
        if _is_there(one):
            for ids in one.select_columns("input_ids").with_format("arrow")[:]["input_ids"].chunks:
                tokens.update(ids.flatten().unique().to_pylist())
        else:
            tokens.update(token for token in tokenizer.get_vocab().values() if token < known)
    return sorted(tokens)
