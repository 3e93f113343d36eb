"""Every sample of a comparison with its quadrant, as one table.

Knows the tables that a comparison is made of; knows neither metrics nor formats of files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from stillright.comparison.attempts import runs_right
from stillright.comparison.columns import changed, tally_continuous, tally_discrete
from stillright.comparison.models import Model
from stillright.comparison.pairing import first_known
from stillright.comparison.quadrants import exchanged, parts_between
from stillright.comparison.reliable import ALPHA, adjusted_ps
from stillright.comparison.tally import Tally
from stillright.errors import ConfigError, spelled
from stillright.records import DETAILS, TASK, nulls
from stillright.significance import Array

QUADRANTS = {  # part of `parts_between` -> what it is called here
    "both_right": "kept",
    "gain": "gained",
    "unchanged": "unchanged",
    "both_wrong": "still_wrong",
    "regression": "lost",
}
OF_ANSWERS = ("kept", "gained", "lost", "still_wrong", "still_wrong_same", "still_wrong_changed")
OF_SCORES = ("gained", "unchanged", "lost")
AGAINST_NEW = ("restored", "newly_lost")
OF_RUNS = ("reliably_lost", "reliably_gained", "undecided")
ANSWER = ("prediction", "output", "score", "margin", "loglikelihoods", "output_tokens")


@dataclass(frozen=True)
class Samples:
    """The samples of a comparison: tables of old, new and candidates as `pair` makes them, and columns to slice by.

    least: what a difference of scores must exceed to count. sign: -1 where lower scores are better. cluster: (n,), the
    number of each sample's, from 1; cluster_names: by these. Any two are equal, since comparisons are equal where their
    numbers are.
    """

    models: Sequence[Model[pl.DataFrame]] = field(compare=False, repr=False)
    labels: Mapping[str, pl.Series] = field(compare=False, repr=False)
    least: float = field(compare=False)
    sign: int = field(compare=False)
    cluster: pl.Series | None = field(compare=False, default=None, repr=False)
    cluster_names: Sequence[str] = field(compare=False, default=(), repr=False)

    def tally(self) -> Tally:
        """Their columns, whose means are the metrics."""
        if self._of_answers:
            return tally_discrete(self.models, self.cluster)
        return tally_continuous(self.models, self.least, self.sign, self.cluster)

    def codes(self, known: pl.Series) -> npt.NDArray[np.int64] | None:
        """The clusters of the `known` samples, from 0 by their names; None where samples are not in clusters."""
        return None if self.cluster is None else self.cluster.filter(known).to_numpy().astype(np.int64) - 1

    def table(self, task: str | None, wanted: Sequence[str]) -> pl.DataFrame:
        """One row a sample, of those in a `wanted` quadrant of any model if some are named; columns: docs/flips.md.

        task: of samples that do not say theirs. Raises ConfigError for a quadrant that there is not, and for scores
        of a model with several runs, of which a sample is in several quadrants.
        """
        self._refuse_runs_of_scores()
        tables = _with_comparable_choices([_in_full(model.runs[0]) for model in self.models])
        names = ["old", "new", *(f"candidate_{i}" for i in range(1, len(tables) - 1))]
        quadrants, counts = self._of_runs() if self._has_runs else (list(self._quadrants(names, tables)), [])
        answers = [
            table[column].alias(f"{name}_{column}")
            for column in ANSWER
            for name, table in zip(names, tables, strict=True)
        ]
        labels = {name: values for name, values in self.labels.items() if name != TASK}
        whole = pl.DataFrame(
            [
                tables[0]["id"],
                self.labels.get(TASK, pl.Series([task], dtype=pl.String).new_from_index(0, len(tables[0]))).alias(TASK),
                *quadrants,
                *counts,
                *(first_known(table[column] for table in tables) for column in ("prompt", "reference", "choice_texts")),
                *answers,
                *(values.alias(f"slice_{name}") for name, values in labels.items()),
            ]
        )
        named = self._named(wanted)
        return (
            whole.filter(pl.any_horizontal(pl.col(each.name).is_in(named) for each in quadrants)) if wanted else whole
        )

    def _quadrants(self, names: Sequence[str], tables: Sequence[pl.DataFrame]) -> Iterator[pl.Series]:
        """For each model after old its quadrants, and for each candidate what it changes against new."""
        old, new = tables[:2]
        lost_by_new = parts_between(old, new, self.least, self.sign)["regression"]
        for name, table in zip(names[1:], tables[1:], strict=True):
            parts = parts_between(old, table, self.least, self.sign)
            yield _quadrant(parts, old, table).alias(f"{name}_quadrant")
            if table is not new:
                against = exchanged(lost_by_new, parts["regression"])
                yield _words({part: against[part] for part in AGAINST_NEW}).alias(f"{name}_against_new")

    @property
    def _of_answers(self) -> bool:
        """Whether samples are right or wrong."""
        return "right" in self.models[0].runs[0].columns

    @property
    def _has_runs(self) -> bool:
        return any(len(model.runs) > 1 for model in self.models)

    def _of_runs(self) -> tuple[list[pl.Series], list[pl.Series]]:
        """Whether new lost or gained each sample reliably, alone and with the counts and p that say so."""
        old, new = self.models[:2]
        ps = adjusted_ps(old, new)
        found = {f"reliably_{part}": (ps[part].to_numpy() <= ALPHA).astype(np.float64) for part in ("lost", "gained")}
        counts = [
            pl.Series(f"{name}_right_runs", runs_right(each), dtype=pl.Int64)
            for name, each in (("old", old), ("new", new))
        ]
        adjusted = [ps[part].fill_nan(None).alias(f"p_{part}") for part in ("lost", "gained")]
        return [_words(found).fill_null("undecided").alias("new_quadrant")], [*counts, *adjusted]

    def _refuse_runs_of_scores(self) -> None:
        for model, place in zip(self.models, ("old", "new"), strict=False):
            if len(model.runs) > 1 and not self._of_answers:
                flips = spelled(command="--flips", python="flips()")
                runs = spelled(command=f"--{place}-run", python=f"{place}_runs")
                raise ConfigError(
                    f"{flips}: {model.name} has {len(model.runs)} runs, whose scores may both rise and fall; "
                    f"compare one run of each model, without {runs}"
                )

    def _named(self, wanted: Sequence[str]) -> Collection[str]:
        """The quadrants that `wanted` names; still_wrong names those of the same and of another wrong answer too."""
        of_one = [*(OF_ANSWERS if self._of_answers else OF_SCORES), *(AGAINST_NEW if len(self.models) > 2 else ())]
        known = OF_RUNS if self._has_runs else of_one
        for name in wanted:
            if name not in known:
                option = spelled(command="--quadrant", python="flips()")
                raise ConfigError(f"{option}: {name!r} is no quadrant of this comparison, which has {', '.join(known)}")
        return [each for each in known for name in wanted if each == name or each.startswith(f"{name}_")]


def _in_full(table: pl.DataFrame) -> pl.DataFrame:
    """With all columns of DETAILS, unknown where the table lacks them."""
    return table.with_columns(nulls(name, len(table)) for name in DETAILS if name not in table.columns)


def _with_comparable_choices(tables: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    """Without the log-likelihoods of choices that differ, in texts or number, from those of the first table that has
    any, which are shown for all."""
    texts = first_known(table["choice_texts"] for table in tables)
    lengths = texts.list.len()
    found = []
    for table in tables:
        others = (table["choice_texts"] != texts) | (table["loglikelihoods"].list.len() != lengths)
        known = pl.when(~pl.lit(others).fill_null(False)).then("loglikelihoods")
        found.append(table.with_columns(known.alias("loglikelihoods")))
    return found


def _quadrant(parts: Mapping[str, Array], old: pl.DataFrame, now: pl.DataFrame) -> pl.Series:
    words = _words({QUADRANTS[part]: where for part, where in parts.items()})
    if "right" not in now.columns:
        return words
    suffix = pl.when(changed(old, now)).then(pl.lit("_changed")).otherwise(pl.lit("_same"))
    known = pl.lit(old["answer"].is_not_null() & now["answer"].is_not_null())
    in_full = pl.when(known & (words == "still_wrong")).then(pl.lit(words) + suffix).otherwise(pl.lit(words))
    return pl.select(in_full).to_series()


def _words(parts: Mapping[str, Array]) -> pl.Series:
    """For each sample the name of the part that it is in, null if it is in none; parts are 0 or 1, (n,)."""
    return pl.select(
        pl.coalesce(pl.when(pl.lit(where > 0)).then(pl.lit(name)) for name, where in parts.items())
    ).to_series()
