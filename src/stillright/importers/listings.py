"""What the API of a hosted tool lists: a page as it came, a list of items, or one item a line. Knows no tool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from stillright.importers.selection import Selection, choose
from stillright.jsonl import first_bytes, read_json, read_lines

T = TypeVar("T")


def read_listing(path: Path, item: type[T], key: str) -> list[T]:
    """The items in a file. key: under which a page has them. Raises DataError for anything else."""
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        return [each for _, each in read_lines(path, item)]
    if first_bytes(path, 64).lstrip()[:1] == b"[":
        items: list[T] = read_json(path, list[item])  # type: ignore[valid-type]
        return items
    page = msgspec.defstruct("Page", [(key, list[item])])  # type: ignore[valid-type]
    found: list[T] = getattr(read_json(path, page), key)
    return found


def of_run(samples: Sequence[tuple[str, T]], selection: Selection, place: str) -> list[tuple[str, T]]:
    """The samples of one run (`run`, from 1): the second time that an id comes it is of the second run.

    samples: with their ids, in the order in which they were made. Raises DataError naming `place`.
    """
    seen: Counter[str] = Counter()
    numbers = []
    for name, _ in samples:
        seen[name] += 1
        numbers.append(seen[name])
    run = choose("run", sorted({1, *numbers}), selection.run, place)
    return [sample for sample, number in zip(samples, numbers, strict=True) if str(number) == run]
