"""In what files differ that should answer the same questions in the same way: task, settings, documents, prompts.

Each difference says under which name it may be allowed (allow.py); another reference never may.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import polars as pl

from stillright.comparison.allow import Difference
from stillright.comparison.sameness import same_question
from stillright.errors import DataError, spelled
from stillright.records import PredictionSet

# settings by the name that allows them to differ; all others say how answers are generated
OF_SETTINGS = {
    **dict.fromkeys(("task_version", "task_args"), "task"),
    **dict.fromkeys(("num_fewshot", "fewshot", "system_instruction"), "prompt"),
}
SAME_QUESTION = "both must answer the same question"
SHOWN = 60  # characters of a value in an error


def agreed(what: str, values: Sequence[Any], runs: Sequence[PredictionSet]) -> Any:
    """The one value that is not None. Raises DataError if there are two."""
    if named := _named(values, runs):
        raise DataError(f"the files differ in {what} ({named}); compare results of one {what} only")
    return next((value for value in values if value is not None), None)


def differing_headers(runs: Sequence[PredictionSet]) -> Iterator[Difference]:
    """The task and each setting that is not the same in all files that have it."""
    headers = [run.header for run in runs]
    found = {"task": ("task", [header.task for header in headers])}
    for name in dict.fromkeys(name for header in headers for name in header.settings):
        allowed_by = OF_SETTINGS.get(
            name.split(" of ")[0], "generation"
        )  # of one task in a group: "fewshot of mmlu_law"
        found[f"setting {name}"] = (allowed_by, [header.settings.get(name) for header in headers])
    for what, (allowed_by, values) in found.items():
        if named := _named(values, runs):
            yield Difference(allowed_by, f"the files differ in {what} ({named})", f"compare results of one {what} only")


def differing_questions(runs: Sequence[PredictionSet], tables: Sequence[pl.DataFrame]) -> Iterator[Difference]:
    """Documents that differ although prompts agree, and prompts that differ.

    tables: of the runs, with the same samples in the same order. Raises DataError for samples with two references, or
    two documents and two prompts: these are different questions.
    """
    for field in ("reference", "asked", "prompt"):
        for pair in _unequal(field, runs, tables):
            if field == "reference":
                raise DataError(f"{pair.what}; {SAME_QUESTION}")
            if field == "prompt":
                yield Difference("prompt", pair.what, SAME_QUESTION + _hint(pair))
            elif not same_prompts(pair.first, pair.second, pair.rows):
                fix = spelled(command="--id NAME", python="selection=Selection(rename={'id': NAME})")
                raise DataError(
                    f"{pair.what}; {SAME_QUESTION}; if samples only changed places, name a column with {fix}"
                )
            else:
                yield Difference("task", f"{pair.what}, though not in the prompt", SAME_QUESTION)


def same_prompts(first: pl.DataFrame, second: pl.DataFrame, rows: pl.Series) -> bool:
    """Whether both tables have the same known prompt in all of `rows`."""
    before, now = (same_question(table["prompt"].filter(rows)) for table in (first, second))
    return bool((before == now).fill_null(False).all())


class _Pair(NamedTuple):
    """Two tables of the same samples, and the rows (bool) in which they differ."""

    what: str
    first: pl.DataFrame
    second: pl.DataFrame
    rows: pl.Series


def _unequal(field: str, runs: Sequence[PredictionSet], tables: Sequence[pl.DataFrame]) -> Iterator[_Pair]:
    """Each table that differs in `field` from those before it."""
    known = tables[0]  # for each sample, the values of the first file that has one
    for run, table in zip(runs[1:], tables[1:], strict=True):
        rows = unequal(known, table, field)
        if rows.any():
            i = rows.arg_true()[0]
            shown = " and ".join(_excerpt(values[field][i]) for values in (known, table))
            name = "document" if field == "asked" else field
            what = (
                f"{int(rows.sum()):,} samples, such as {table['id'][i]!r}: {runs[0].name} and {run.name} "
                f"differ in the {name} ({shown})"
            )
            yield _Pair(what, known, table, rows)
        if known[field].null_count():
            known = known.with_columns(pl.coalesce(known[field], table[field]).alias(field))


def unequal(first: pl.DataFrame, second: pl.DataFrame, field: str) -> pl.Series:
    """The rows (bool) in which both tables have a value, and not the same (sameness.same_question)."""
    rows = _differ(first[field], second[field]).fill_null(False)
    if rows.any():
        before, now = (same_question(table[field].filter(rows)) for table in (first, second))
        rows = rows.scatter(rows.arg_true(), (before != now).fill_null(False))
    return rows


def _differ(first: pl.Series, second: pl.Series) -> pl.Series:
    if all(each.dtype == pl.List and (each.list.len() == 1).all() for each in (first, second)):
        first, second = first.explode(), second.explode()  # lists are slow to compare
    return first != second


def _hint(pair: _Pair) -> str:
    known = (pair.first["asked"] == pair.second["asked"]).fill_null(False).filter(pair.rows)
    return "; the documents are the same, so the template or the examples differ" if known.all() else ""


def _named(values: Sequence[Any], runs: Sequence[PredictionSet]) -> str:
    """ "old: 0, new: 5" if there are two values that are not None, else nothing; of objects, the keys that differ."""
    distinct: list[tuple[Any, str]] = []
    for value, run in zip(values, runs, strict=True):
        if value is not None and all(value != other for other, _ in distinct):
            distinct.append((value, run.name))
    if len(distinct) < 2:
        return ""
    if all(isinstance(value, dict) for value, _ in distinct):
        keys = dict.fromkeys(key for value, _ in distinct for key in value)
        unlike = [key for key in keys if any(value.get(key) != distinct[0][0].get(key) for value, _ in distinct)]
        distinct = [({key: value[key] for key in unlike if key in value}, name) for value, name in distinct]
    return ", ".join(f"{name}: {str(value)[:SHOWN]}" for value, name in distinct)


def _excerpt(value: Any) -> str:
    texts = value.to_list() if isinstance(value, pl.Series) else [value]
    return repr(str(texts[0] if len(texts) == 1 else texts)[:SHOWN])
