"""Puts the answers of several models to the same samples side by side; refuses runs whose samples differ.

Knows PredictionSets, not metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import polars as pl

from stillright.comparison.sameness import same_form, same_question
from stillright.errors import ConfigError, DataError
from stillright.records import COLUMNS, EXAMPLES, Kind, PredictionSet

OnMissing = Literal["error", "drop", "wrong"]
AGREEING = ("task", "metric", "filter")  # of the headers


class Paired(NamedTuple):
    """The same n samples in every table, in the same order.

    tables: COLUMNS of PredictionSet.table, with `right` (bool) and `answer` (text) for discrete results.
    labels: the columns to slice by, as text; for each sample the value in the first file that has one.
    """

    kind: Kind
    task: str | None
    metric: str | None
    tables: list[pl.DataFrame]
    labels: dict[str, pl.Series]
    unscored: int  # samples in every file that some file does not score
    counted_wrong: int  # samples that count as wrong in a file that lacks or does not score them
    missing: int  # samples that some file lacks


def pair(runs: Sequence[PredictionSet], on_missing: OnMissing = "error", columns: Sequence[str] = ()) -> Paired:
    """The samples that all of `runs` score.

    on_missing: whether a sample that some file lacks is an error, dropped, or (discrete only) wrong there; "wrong" also
    counts what a file has but does not score. columns: to slice by.
    Raises DataError if the runs differ in kind, task, metric, filter or settings, or in the prompt or reference of an
    id; if ids are missing that must not be; and if no sample is left. Raises ConfigError for an unknown column.
    """
    kind: Kind = _agreed("kind", [run.kind for run in runs], runs)
    task, metric, _ = (_agreed(name, [getattr(run.header, name) for run in runs], runs) for name in AGREEING)
    for name in dict.fromkeys(name for run in runs for name in run.header.settings):
        _agreed(f"setting {name}", [run.header.settings.get(name) for run in runs], runs)
    if on_missing == "wrong" and kind == "continuous":
        raise DataError("on_missing='wrong': scores have no wrong answer; use 'drop' or 'error'")
    tables, missing = _aligned(runs, on_missing)
    _refuse_other_questions(runs, tables)
    labels = _labels(tables, columns)
    tables = [table.select(*COLUMNS) for table in tables]
    tables = [with_verdicts(table) if kind == "discrete" else table for table in tables]
    verdict = "right" if kind == "discrete" else "score"
    scored = _everywhere(table[verdict].is_not_null() for table in tables)
    unscored = int((~scored).sum())
    if on_missing == "wrong":
        _refuse_unjudged(runs, tables)
        tables = [table.with_columns(pl.col("right").fill_null(False)) for table in tables]
        return Paired(kind, task, metric, tables, labels, unscored=0, counted_wrong=unscored, missing=missing)
    if not scored.any():
        names = " and ".join(dict.fromkeys(run.name for run in runs))
        raise DataError(f"{names}: no sample is scored in every file; {_why_unscored(tables, kind)}")
    kept = [table.filter(scored) for table in tables]
    labels = {column: values.filter(scored) for column, values in labels.items()}
    return Paired(kind, task, metric, kept, labels, unscored=unscored, counted_wrong=0, missing=missing)


def _refuse_unjudged(runs: Sequence[PredictionSet], tables: list[pl.DataFrame]) -> None:
    """Raises DataError for a file without any verdict: its answers are not wrong, but cannot be judged."""
    for run, table in zip(runs, tables, strict=True):
        if table["right"].null_count() == len(table):
            raise DataError(f"{run.name}: no sample is scored; {_why_unscored([table], 'discrete')}")


def _why_unscored(tables: list[pl.DataFrame], kind: Kind) -> str:
    """What a user can do about it."""
    lacking = {name: any(table[name].null_count() == len(table) for table in tables) for name in COLUMNS}
    if kind == "continuous" or (lacking["prediction"] and lacking["correct"]):
        needs = [name for name in ("output", "reference") if lacking[name]]
        hint = f" once they have {' and '.join(needs)}" if needs else ""
        return f"score their outputs, with score=rouge1 or another{hint}"
    return "predictions need a reference to be right or wrong" if lacking["reference"] else "nothing to compare"


def _labels(tables: list[pl.DataFrame], columns: Sequence[str]) -> dict[str, pl.Series]:
    """For each column the samples' values as text. Raises ConfigError if no file has a value in it."""
    labels = {}
    for column in dict.fromkeys(columns):
        held = [table[column] for table in tables if column in table.columns]
        held = [values for values in held if values.null_count() < len(values)]
        if not held:
            raise ConfigError(f"slice {column!r}: no file has such a column with a value in it; check the name")
        texts = [each.list.join(" | ") if column == "reference" else each.cast(pl.String) for each in held]
        labels[column] = pl.select(pl.coalesce(texts)).to_series()
    return labels


def _agreed(what: str, values: Sequence[Any], runs: Sequence[PredictionSet]) -> Any:
    """The one value that is not None. Raises DataError if there are two."""
    known = {str(value): run.name for value, run in zip(values, runs, strict=True) if value is not None}
    if len(known) > 1:
        named = ", ".join(f"{name}: {value}" for value, name in known.items())
        raise DataError(f"the files differ in {what} ({named}); compare results of one {what} only")
    return next((value for value in values if value is not None), None)


def _aligned(runs: Sequence[PredictionSet], on_missing: OnMissing) -> tuple[list[pl.DataFrame], int]:
    """Every table in the order of one list of ids, and how many ids some table lacks."""
    first = runs[0].table["id"]
    if all(first.equals(run.table["id"], check_names=False) for run in runs[1:]):
        return [run.table for run in runs], 0
    runs = [_with_composed_ids(run) for run in runs]
    known = pl.concat([run.table["id"] for run in runs]).unique(maintain_order=True)
    held = [known.is_in(run.table["id"].implode()) for run in runs]
    common = _everywhere(held)
    missing = int((~common).sum())
    if missing and on_missing == "error":
        _raise_missing(runs, known, held)
    ids = known if on_missing == "wrong" else known.filter(common)
    order = ids.alias("id").to_frame()
    return [order.join(run.table, on="id", how="left", maintain_order="left") for run in runs], missing


def _with_composed_ids(run: PredictionSet) -> PredictionSet:
    """The run with its ids in Unicode's NFC, unless two of its ids would be one."""
    ids = run.table["id"].str.normalize("NFC")
    return run if ids.n_unique() < len(ids) else replace(run, table=run.table.with_columns(ids))


def _raise_missing(runs: Sequence[PredictionSet], ids: pl.Series, held: list[pl.Series]) -> None:
    lacking = [(run.name, ids.filter(~holds)) for run, holds in zip(runs, held, strict=True)]
    lacks = [
        f"{name} lacks {len(those):,} ids (such as {', '.join(map(repr, those[:EXAMPLES]))})"
        for name, those in lacking
        if len(those)
    ]
    raise DataError(
        f"{'; '.join(lacks)}; all files must answer the same samples, unless on_missing is 'drop' or 'wrong'"
    )


def _refuse_other_questions(runs: Sequence[PredictionSet], tables: list[pl.DataFrame]) -> None:
    """Raises DataError if an id has two references or two prompts."""
    for field in ("reference", "prompt"):
        known = tables[0][field]  # for each sample, the value in the first file that has one
        for run, table in zip(runs[1:], tables[1:], strict=True):
            differs = (known != table[field]).fill_null(False)
            if differs.any():
                asked, asked_here = (same_question(each.filter(differs)) for each in (known, table[field]))
                differs = differs.scatter(differs.arg_true(), (asked != asked_here).fill_null(False))
            if differs.any():
                i = differs.arg_true()[0]
                first, second = (_excerpt(values[i]) for values in (known, table[field]))
                raise DataError(
                    f"{int(differs.sum()):,} samples, such as {table['id'][i]!r}: {runs[0].name} and {run.name} "
                    f"differ in the {field} ({first} and {second}); both must answer the same question"
                )
            known = pl.select(pl.coalesce(known, table[field])).to_series() if known.null_count() else known


def _excerpt(value: Any) -> str:
    texts = value.to_list() if isinstance(value, pl.Series) else [value]
    return repr(str(texts[0] if len(texts) == 1 else texts)[:60])


def with_verdicts(table: pl.DataFrame) -> pl.DataFrame:
    """A PredictionSet's table with `right`, null without a verdict, and `answer`, equal for the same answers."""
    prediction, reference = same_form(table["prediction"]), same_form(table["reference"])
    among = pl.when(prediction.is_not_null()).then(pl.lit(reference).list.contains(pl.lit(prediction)))
    answer = pl.coalesce(prediction, same_form(table["output"])) if prediction.null_count() else prediction
    return table.with_columns(right=pl.coalesce("correct", among), answer=answer)


def _everywhere(flags: Iterable[pl.Series]) -> pl.Series:
    return pl.select(pl.all_horizontal(*flags)).to_series()
