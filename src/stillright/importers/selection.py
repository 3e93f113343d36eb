"""What to take from a log that holds several results. Knows no format."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from stillright.errors import DataError
from stillright.records import COLUMNS

LISTED = 20  # names in an error
SHOWN = 80  # characters of each


@dataclass(frozen=True)
class Selection:
    """What to take from a log that holds several results, and what else to keep of every sample."""

    task: str | None = None
    metric: str | None = None  # a scorer of Inspect, a named score of promptfoo
    filter: str | None = None  # of lm-evaluation-harness
    model: str | None = None  # a provider of promptfoo
    prompt: str | None = None  # of promptfoo: its label, or its number from 1
    run: int | None = None  # an epoch of Inspect, a repeat of promptfoo, from 1
    columns: tuple[str, ...] = ()  # further columns to keep, as text, to slice by
    rename: Mapping[str, str] = field(default_factory=dict)  # our column -> theirs, for tables


KINDS = ("task", "metric", "filter", "model", "prompt", "run")  # what can be chosen


def refuse_unknown(selection: Selection, names: Mapping[str, Sequence[str]], place: str) -> None:
    """Raises DataError naming `place` if something is chosen that it does not have.

    names: for each kind of which a file of this format holds only one, what that one is called; empty where the
    format does not record it.
    """
    for kind, found in names.items():
        wanted = getattr(selection, kind)
        if wanted is not None and not found:
            raise DataError(
                f"{place}: does not record a {kind}, so {kind}={wanted} cannot apply to it; apply it to the other "
                f"files only (in a command: FILE::{kind}={wanted})"
            )
        if wanted is not None:
            choose(kind, found, wanted, place)


def refuse_renaming(selection: Selection, place: str) -> None:
    """Raises DataError if columns are to be renamed: a log has none of other names."""
    if selection.rename:
        ours, theirs = next(iter(selection.rename.items()))
        raise DataError(
            f"{place}: is a log, where nothing can be renamed to {ours}; apply {ours}={theirs} to tables only (in a "
            f"command: FILE::{ours}={theirs})"
        )


def choose(
    kind: str, found: Iterable[str | int], wanted: str | int | None, place: str, usual: Sequence[str] = ()
) -> str:
    """The one of `found` that is wanted; if that is None, the only one, else the first of `usual` that is there.

    kind: what is chosen, also the name of the option. Raises DataError naming `place`.
    """
    names = list(dict.fromkeys(map(str, found)))
    if wanted is not None:
        if str(wanted) not in names:
            raise DataError(f"{place}: no {kind} {str(wanted)!r}; there is {listed(names)}")
        return str(wanted)
    if len(names) == 1:
        return names[0]
    for name in usual:
        if name in names:
            return name
    several = f"several {kind}s, choose one with {kind}=NAME: {listed(names)}"
    raise DataError(f"{place}: {several if names else f'no {kind}'}")


def further(values: Iterable[Mapping[str, Any]], columns: Sequence[str], place: str) -> Iterable[dict[str, Any]]:
    """For each sample, whose `values` to slice by are given, those of `columns` that are not ours.

    Raises DataError naming `place` for a column that no sample has.
    """
    names = [name for name in columns if name not in COLUMNS]
    if not names:
        return repeat({})
    samples = list(values)
    known = dict.fromkeys(key for sample in samples for key in sample)
    for name in names:
        choose("column", known, name, place)
    return [{name: sample.get(name) for name in names} for sample in samples]


def no_column(wanted: Sequence[str], names: Sequence[str], place: str) -> DataError:
    """The error for a table without any of the columns `wanted`, naming the column that is probably meant."""
    lower = {name.lower(): name for name in names}
    near = [(own, lower[each]) for own in wanted for each in difflib.get_close_matches(own, lower, n=1, cutoff=0.75)]
    own, theirs = near[0] if near else (wanted[0], "THEIRS")
    return DataError(
        f"{place}: no column {' or '.join(wanted)}, and none renamed to it; there is {listed(names)}; "
        f"name it with column {own}={theirs}"
    )


def refuse_misspelt_reference(names: Sequence[str], place: str) -> None:
    """Raises DataError if predictions can be compared with nothing but a column that is nearly `reference`."""
    judged = {"reference", "correct", "score"} & set(names)
    if "prediction" in names and not judged and difflib.get_close_matches("reference", names, n=1, cutoff=0.85):
        raise no_column(("reference",), names, place)


def listed(names: Sequence[str]) -> str:
    """Some of the names, in one line, for an error."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return (", ".join(map(_shown, names[:LISTED])) or "none") + more


def _shown(name: str) -> str:
    name = name if len(name) <= SHOWN else name[:SHOWN] + "…"
    return name if name.isprintable() else ascii(name)
