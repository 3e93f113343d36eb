"""Puts the answers of several models to the same samples side by side; refuses runs whose samples differ.

Knows PredictionSets, not metrics.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import polars as pl

from stillright.comparison.agreement import agreed, differing_headers, differing_questions
from stillright.comparison.allow import allowed
from stillright.comparison.examples import answer_beside_reference
from stillright.comparison.sameness import same_form
from stillright.errors import ConfigError, DataError, NothingScored, spelled
from stillright.records import COLUMNS, DETAILS, EXAMPLES, Kind, PredictionSet

MEASURE = "measure "  # begins the name of a column of numbers, among those of a paired table
OnMissing = Literal["error", "drop", "wrong"]


class Paired(NamedTuple):
    """The same n samples in every table, in the same order.

    tables: COLUMNS of PredictionSet.table, those of DETAILS that it has, with `right` (bool) and `answer` (text) for
    discrete results; under MEASURE columns of numbers.
    labels: the columns to slice by, as text; for each sample the value in the first file that has one.
    cluster: which samples belong together, a number from 1 for each value of the column that says so, if one does;
    cluster_names: those values, by their numbers.
    """

    kind: Kind
    task: str | None
    metric: str | None
    lower_is_better: bool | None  # of scores; None: nothing says so, higher is taken to be
    tables: list[pl.DataFrame]
    labels: dict[str, pl.Series]
    unscored: int  # samples in every file that some file does not score
    counted_wrong: int  # samples that count as wrong in a file that lacks or does not score them
    missing: int  # samples that some file lacks
    differences: tuple[str, ...]  # between the files, all of them allowed
    cluster: pl.Series | None = None
    cluster_names: tuple[str, ...] = ()


def pair(
    runs: Sequence[PredictionSet],
    on_missing: OnMissing = "error",
    columns: Sequence[str] = (),
    allow: Collection[str] = (),
    cluster: str | None = None,
    measures: Sequence[str] = (),
) -> Paired:
    """The samples that all of `runs` score.

    on_missing: whether a sample that some file lacks is an error, dropped, or (discrete only) wrong there; "wrong" also
    counts what a file has but does not score. columns: to slice by. allow: names of differences that are not refused.
    cluster: the column of samples that belong together. measures: numeric columns to keep.
    Raises DataError if the runs differ in kind, metric or filter, or in task, settings, document or prompt of an id
    where that is not allowed, or in the reference; if ids are missing that must not be; and if no sample is left.
    Raises ConfigError for an unknown column.
    """
    kind: Kind = agreed("kind", [run.kind for run in runs], runs)
    metric, _ = (agreed(name, [getattr(run.header, name) for run in runs], runs) for name in ("metric", "filter"))
    lower = _direction(kind, runs)
    differences = allowed(differing_headers(runs), allow)
    if on_missing == "wrong" and kind == "continuous":
        given = spelled(command="--on-missing wrong", python="on_missing='wrong'")
        raise DataError(f"{given}: scores have no wrong answer; use 'drop' or 'error'")
    held, missing = _aligned(runs, on_missing)
    differences += allowed(differing_questions(runs, held), allow)
    labels = _labels(held, columns)
    tables = [_with_measures(run, table, measures) for run, table in zip(runs, held, strict=True)]
    names = [*COLUMNS, *DETAILS, *(MEASURE + name for name in measures)]
    tables = [table.select(name for name in names if name in table.columns) for table in tables]
    tables = [with_verdicts(table) if kind == "discrete" else table for table in tables]
    scored = _everywhere(table["right" if kind == "discrete" else "score"].is_not_null() for table in tables)
    task = next((run.header.task for run in runs if run.header.task is not None), None)
    clusters = None if cluster is None else _clusters(held, cluster)
    counts = int((~scored).sum()), 0, missing
    paired = Paired(kind, task, metric, lower, tables, labels, *counts, differences, clusters)
    found = _unscored_as_wrong(paired, runs) if on_missing == "wrong" else _only_scored(paired, scored, runs)
    return found if found.cluster is None else _numbered(found, found.cluster)


def _unscored_as_wrong(paired: Paired, runs: Sequence[PredictionSet]) -> Paired:
    _refuse_unjudged(runs, paired.tables)
    tables = [table.with_columns(pl.col("right").fill_null(False)) for table in paired.tables]
    return paired._replace(tables=tables, unscored=0, counted_wrong=paired.unscored)


def _only_scored(paired: Paired, scored: pl.Series, runs: Sequence[PredictionSet]) -> Paired:
    """Without the other samples. Raises NothingScored if none is left."""
    if not scored.any():
        names = " and ".join(dict.fromkeys(run.name for run in runs))
        why = _why_unscored(paired.tables, paired.kind)
        raise NothingScored(f"{names}: no sample is scored in every file; {why}")
    if scored.all():
        return paired  # as it is: a copy of a million texts takes memory
    return paired._replace(
        tables=[table.filter(scored) for table in paired.tables],
        labels={column: values.filter(scored) for column, values in paired.labels.items()},
        cluster=None if paired.cluster is None else paired.cluster.filter(scored),
    )


def _numbered(paired: Paired, clusters: pl.Series) -> Paired:
    """With a number for each cluster in place of its name. Raises DataError naming a sample without one."""
    lacking = paired.tables[0]["id"].filter(clusters.is_null() | (clusters == ""))
    if len(lacking):
        option = spelled(command=f"--cluster {clusters.name}", python=f"cluster={clusters.name!r}")
        raise DataError(
            f"{option}: {len(lacking):,} samples have no value in it in any file, the first of them {lacking[0]!r}; "
            "give every sample the name of its cluster, its own id where it stands alone"
        )
    return paired._replace(cluster=clusters.rank("dense"), cluster_names=tuple(clusters.unique().sort()))


def _with_measures(run: PredictionSet, table: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The table with each of these columns as numbers, under MEASURE. Raises ConfigError where the run has no such
    column, DataError naming the first sample whose value is no number, or below zero."""
    for name in names:
        if name not in table.columns or table[name].null_count() == len(table):
            raise ConfigError(f"measure {name!r}: {run.name} has no such column with a value in it; check the name")
        texts = table[name].cast(pl.String)
        numbers = texts.cast(pl.Float64, strict=False)
        wrong = texts.is_not_null() & ~(numbers.is_finite() & (numbers >= 0)).fill_null(False)
        if wrong.any():
            i = wrong.arg_true()[0]
            raise DataError(
                f"{run.name}: measure {name!r}: sample {table['id'][i]!r} has {texts[i]!r:.40}; every value must be a "
                "number, not below zero"
            )
        table = table.with_columns(numbers.alias(MEASURE + name))
    return table


def _direction(kind: Kind, runs: Sequence[PredictionSet]) -> bool | None:
    """Whether lower scores are better. Raises DataError if files differ in it, or if answers are right or wrong."""
    lower: bool | None = agreed("whether lower is better", [run.header.lower_is_better for run in runs], runs)
    if lower and kind == "discrete":
        given = spelled(command="--lower-is-better", python="lower_is_better")
        raise DataError(f"{runs[0].name}: {given} is for scores, but these answers are right or wrong; leave it out")
    return lower


def _refuse_unjudged(runs: Sequence[PredictionSet], tables: list[pl.DataFrame]) -> None:
    """Raises DataError for a file without any verdict: its answers are not wrong, but cannot be judged."""
    for run, table in zip(runs, tables, strict=True):
        if table["right"].null_count() == len(table):
            raise NothingScored(f"{run.name}: no sample is scored; {_why_unscored([table], 'discrete')}")


def _why_unscored(tables: list[pl.DataFrame], kind: Kind) -> str:
    """What a user can do about it, and one answer to see why."""
    lacking = {name: any(table[name].null_count() == len(table) for table in tables) for name in COLUMNS}
    if kind == "continuous" or (lacking["prediction"] and lacking["correct"]):
        needs = [name for name in ("output", "reference") if lacking[name]]
        hint = f" once they have {' and '.join(needs)}" if needs else ""
        option = spelled(command="--score rouge1", python="score=rouge1")
        fix = f"score their outputs, with {option} or another{hint}"
    else:
        fix = "predictions need a reference to be right or wrong" if lacking["reference"] else "nothing to compare"
    verdict = "right" if kind == "discrete" else "score"
    silent = [table for table in tables if table[verdict].null_count() == len(table)]
    return "; ".join(filter(None, [fix, *map(answer_beside_reference, silent[:1])]))


def _labels(tables: list[pl.DataFrame], columns: Sequence[str]) -> dict[str, pl.Series]:
    """For each column the samples' values as text, of the first file that has one."""
    return {column: first_known(_texts(tables, column, "slice")).alias(column) for column in columns}


def _clusters(tables: list[pl.DataFrame], column: str) -> pl.Series:
    """The name of each sample's cluster. Raises DataError where files put a sample in different ones."""
    texts = _texts(tables, column, "cluster")
    clusters = first_known(texts).alias(column)
    for each in texts:
        other = (each != clusters).fill_null(False).arg_true()
        if len(other):
            i = other[0]
            named = f"{len(other):,} samples are in different clusters in two files, first"
            raise DataError(
                f"cluster {column!r}: {named} {tables[0]['id'][i]!r}, in {clusters[i]!r:.40} and {each[i]!r:.40}; "
                "name the clusters alike"
            )
    return clusters


def _texts(tables: list[pl.DataFrame], column: str, use: str) -> list[pl.Series]:
    """The column of every file that has a value in it, as text. Raises ConfigError if none has."""
    held = [table[column] for table in tables if column in table.columns]
    held = [values for values in held if values.null_count() < len(values)]
    if not held:
        raise ConfigError(f"{use} {column!r}: no file has such a column with a value in it; check the name")
    return [each.list.join(" | ") if column == "reference" else each.cast(pl.String) for each in held]


def first_known(texts: Iterable[pl.Series]) -> pl.Series:
    """For each sample the value of the first that has one."""
    return pl.select(pl.coalesce(texts)).to_series()


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
        f"{'; '.join(lacks)}; all files must answer the same samples, unless "
        + spelled(command="--on-missing is drop or wrong", python="on_missing is 'drop' or 'wrong'")
    )


def with_verdicts(table: pl.DataFrame) -> pl.DataFrame:
    """A PredictionSet's table with `right`, null without a verdict, and `answer`, equal for the same answers."""
    prediction, reference = same_form(table["prediction"]), same_form(table["reference"])
    among = pl.when(prediction.is_not_null()).then(pl.lit(reference).list.contains(pl.lit(prediction)))
    answer = pl.coalesce(prediction, same_form(table["output"])) if prediction.null_count() else prediction
    return table.with_columns(right=pl.coalesce("correct", among), answer=answer)


def _everywhere(flags: Iterable[pl.Series]) -> pl.Series:
    return pl.select(pl.all_horizontal(*flags)).to_series()
