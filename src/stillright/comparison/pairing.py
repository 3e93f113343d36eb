"""Puts the answers of several models to the same samples side by side; refuses sets whose samples differ.

Knows PredictionSets, not metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import polars as pl

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


def pair(sets: Sequence[PredictionSet], on_missing: OnMissing = "error", columns: Sequence[str] = ()) -> Paired:
    """The samples that all of `sets` score.

    on_missing: whether a sample that some file lacks is an error, dropped, or (discrete only) wrong there; "wrong" also
    counts what a file has but does not score. columns: to slice by.
    Raises DataError if the sets differ in kind, task, metric, filter or settings, or in the prompt or reference of an
    id; if ids are missing that must not be; and if no sample is left. Raises ConfigError for an unknown column.
    """
    sets = of_one_kind(sets)
    kind: Kind = _agreed("kind", [each.kind for each in sets], sets)
    task, metric, _ = (_agreed(name, [getattr(each.header, name) for each in sets], sets) for name in AGREEING)
    _refuse_other_settings(sets)
    if on_missing == "wrong" and kind == "continuous":
        raise DataError("on_missing='wrong': scores have no wrong answer; use 'drop' or 'error'")
    tables, missing = _aligned(sets, on_missing)
    _refuse_other_questions(sets, tables)
    labels = _labels(tables, columns)
    tables = [table.select(*COLUMNS) for table in tables]
    tables = [judged(table) if kind == "discrete" else table for table in tables]
    counted_wrong = 0
    if on_missing == "wrong":
        _refuse_unjudged(sets)
        counted_wrong = len(tables[0]) - int(_all_scored(tables, "right").sum())
        tables = [table.with_columns(pl.col("right").fill_null(False)) for table in tables]
    scored = _all_scored(tables, "right" if kind == "discrete" else "score")
    if not scored.any():
        raise DataError(f"{_names(sets)}: no sample is scored in every file; {_why_unscored(tables, kind)}")
    kept = [table.filter(scored) for table in tables]
    labels = {column: values.filter(scored) for column, values in labels.items()}
    return Paired(kind, task, metric, kept, labels, len(scored) - int(scored.sum()), counted_wrong, missing)


def of_one_kind(sets: Sequence[PredictionSet]) -> list[PredictionSet]:
    """The sets; verdicts guessed from values of 0 and 1 become scores if another set of the metric has scores."""
    scored = {each.header.metric for each in sets if each.kind == "continuous"}
    return [_as_scores(each) if each.guessed and each.header.metric in scored else each for each in sets]


def _as_scores(verdicts: PredictionSet) -> PredictionSet:
    header = verdicts.header.model_copy(update={"kind": "continuous"})
    score, none = pl.col("correct").cast(pl.Float64).alias("score"), pl.lit(None, pl.Boolean).alias("correct")
    return PredictionSet(header, verdicts.table.with_columns(score, none))


def _refuse_unjudged(sets: Sequence[PredictionSet]) -> None:
    """Raises DataError for a file without any verdict: its answers are not wrong, but cannot be judged."""
    for each in sets:
        if not judged(each.table)["right"].is_not_null().any():
            raise DataError(f"{each.name}: no sample is scored; {_why_unscored([each.table], 'discrete')}")


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


def _names(sets: Sequence[PredictionSet]) -> str:
    return " and ".join(dict.fromkeys(each.name for each in sets))


def _agreed(what: str, values: Sequence[Any], sets: Sequence[PredictionSet]) -> Any:
    """The one value that is not None. Raises DataError if there are two."""
    known = {str(value): each.name for value, each in zip(values, sets, strict=True) if value is not None}
    if len(known) > 1:
        named = ", ".join(f"{name}: {value}" for value, name in known.items())
        raise DataError(f"the files differ in {what} ({named}); compare results of one {what} only")
    return next((value for value in values if value is not None), None)


def _refuse_other_settings(sets: Sequence[PredictionSet]) -> None:
    for name in dict.fromkeys(name for each in sets for name in each.header.settings):
        _agreed(f"setting {name}", [each.header.settings.get(name) for each in sets], sets)


def _aligned(sets: Sequence[PredictionSet], on_missing: OnMissing) -> tuple[list[pl.DataFrame], int]:
    """Every table in the order of one list of ids, and how many ids some table lacks."""
    first = sets[0].table["id"]
    if all(first.equals(each.table["id"], check_names=False) for each in sets[1:]):
        return [each.table for each in sets], 0
    everywhere = _union([each.table["id"] for each in sets])
    held = pl.DataFrame([everywhere.is_in(each.table["id"].implode()).alias(str(i)) for i, each in enumerate(sets)])
    common = held.select(pl.all_horizontal(pl.all())).to_series()
    missing = len(everywhere) - int(common.sum())
    if missing and on_missing == "error":
        _raise_missing(sets, everywhere, held)
    ids = everywhere if on_missing == "wrong" else everywhere.filter(common)
    order = ids.alias("id").to_frame()
    return [order.join(each.table, on="id", how="left", maintain_order="left") for each in sets], missing


def _union(ids: list[pl.Series]) -> pl.Series:
    return pl.concat(ids).unique(maintain_order=True)


def _raise_missing(sets: Sequence[PredictionSet], ids: pl.Series, held: pl.DataFrame) -> None:
    lacks = []
    for each, holds in zip(sets, held, strict=True):
        lacking = ids.filter(~holds)
        if len(lacking):
            examples = ", ".join(repr(sample) for sample in lacking[:EXAMPLES])
            lacks.append(f"{each.name} lacks {len(lacking):,} ids (such as {examples})")
    raise DataError(
        f"{'; '.join(lacks)}; all files must answer the same samples, unless on_missing is 'drop' or 'wrong'"
    )


def _refuse_other_questions(sets: Sequence[PredictionSet], tables: list[pl.DataFrame]) -> None:
    """Raises DataError if an id has two references or two prompts."""
    for field in ("reference", "prompt"):
        known, holder = tables[0][field], sets[0]  # for each sample, the value in the first file that has one
        for each, table in zip(sets[1:], tables[1:], strict=True):
            _refuse_difference(field, tables[0]["id"], (holder, known), (each, table[field]))
            if known.null_count():
                known = pl.select(pl.coalesce(known, table[field])).to_series()


def _refuse_difference(
    field: str, ids: pl.Series, first: tuple[PredictionSet, pl.Series], second: tuple[PredictionSet, pl.Series]
) -> None:
    differs = (first[1] != second[1]).fill_null(False)
    if field == "reference" and differs.any():  # right answers may be in any order
        differs = (first[1].list.sort() != second[1].list.sort()).fill_null(False)
    if not differs.any():
        return
    i = differs.arg_true()[0]
    texts = [value.to_list() if isinstance(value, pl.Series) else value for value in (first[1][i], second[1][i])]
    a, b = (text[0] if isinstance(text, list) and len(text) == 1 else text for text in texts)
    raise DataError(
        f"{int(differs.sum()):,} samples, such as {ids[i]!r}: {first[0].name} and {second[0].name} "
        f"differ in the {field} ({str(a)[:60]!r} and {str(b)[:60]!r}); both must answer the same question"
    )


def judged(table: pl.DataFrame) -> pl.DataFrame:
    """A PredictionSet's table with `right`, null without a verdict, and `answer`."""
    equal = pl.when(pl.col("prediction").is_not_null()).then(pl.col("reference").list.contains(pl.col("prediction")))
    right = pl.coalesce("correct", equal)
    return table.with_columns(right=right, answer=pl.coalesce("prediction", "output"))


def _all_scored(tables: list[pl.DataFrame], column: str) -> pl.Series:
    flags = pl.DataFrame([table[column].is_not_null().alias(str(i)) for i, table in enumerate(tables)])
    return flags.select(pl.all_horizontal(pl.all())).to_series()
