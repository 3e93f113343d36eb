"""What is known of an adapter that its card may tell: nothing here is a local path, or a row of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple


class Adapter(NamedTuple):
    """How an adapter came to be.

    name: what its run calls it. old: the model whose answers it keeps, in words; None of one that keeps none's. task:
    None where it was made from weights alone. dataset: the id on the hub of what was trained on, where that is known.
    known_rows: how many of the rows to predict were also trained on. made: settings and versions, by what they are.
    """

    name: str
    kind: Literal["task adapter", "compat adapter", "baseline"]
    base: Base
    rank: int
    old: str | None = None
    task: str | None = None
    dataset: str | None = None
    known_rows: int = 0
    made: Sequence[tuple[str, str]] = ()


class Base(NamedTuple):
    """The base of an adapter: its id on the hub, its commit, and license, license_name and license_link of its card.

    id: None of a local folder, whose path is nobody's business.
    """

    id: str | None = None
    commit: str | None = None
    license: Mapping[str, str] = {}
