"""One run given as old and as new: an update from a run to itself loses nothing, and proves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from stillright.comparison.allow import Difference
from stillright.records import PredictionSet


def identical_runs(old: Sequence[PredictionSet], new: Sequence[PredictionSet]) -> Iterator[Difference]:
    """Every pair of files that may be of one run. What was made in memory is the caller's own."""
    for before, now in product(old, new):
        if before.file is not None and now.file is not None and _are_one(before, now):
            what = f"{before.file} (old) and {now.file} (new) hold the same answers, and record no two runs"
            yield Difference("identical", what, "an update of a run to itself loses nothing; give two runs")


def _are_one(first: PredictionSet, second: PredictionSet) -> bool:
    nameless = (each.header.model_copy(update={"name": ""}) for each in (first, second))
    if next(nameless) != next(nameless) or _differ_in_name(first, second):
        return False
    return first.table.equals(second.table)


def _differ_in_name(first: PredictionSet, second: PredictionSet) -> bool:
    """Whether the files themselves name two models: a name that a file begins with may only be that of the file."""
    recorded = [each.file is not None and not each.file.name.startswith(each.name) for each in (first, second)]
    return all(recorded) and first.name != second.name
