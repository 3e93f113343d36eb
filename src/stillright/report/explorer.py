"""The samples of a comparison -> the block that people explore them in, and its bytes within a page.

A page stays of a size that a browser opens: what it leaves out is said, and `--flips` has all of it.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from typing import Any

import msgspec
import polars as pl

from stillright.comparison import Comparison
from stillright.report.page import Explorer

MOST = 100_000  # samples
MOST_CHARACTERS = 60_000_000  # of all texts
LONGEST = 10_000  # characters of a text
DECIMALS = 4  # of a number in a list
NUMBER = 8  # characters that such a number counts for
CHANGED = ("lost", "gained", "still_wrong_changed", "restored", "newly_lost", "reliably_lost", "reliably_gained")
FASTER = 4  # gzip's level: a quarter of the time of 9, for 7 % more bytes


def explorer(comparison: Comparison, samples: pl.DataFrame) -> Explorer:
    """samples: of comparison.flips(). Where there are too many, those that changed in any model come first."""
    kept = _within_bounds(samples)
    candidates = {f"candidate_{i}": each.name for i, each in enumerate(comparison.candidates, start=1)}
    models = {"old": comparison.old.name, "new": comparison.new.name, **candidates}
    of_scores, note = comparison.kind == "continuous", _note(samples, kept)
    return Explorer(models, kept, of_scores, not comparison.lower_is_better, note)


def embedded(explorer: Explorer) -> str:
    """What the page's script reads: base64 of gzipped JSON, columns that have no value left out."""
    table = explorer.samples
    known = [column.name for column in table if column.null_count() < len(column)]
    content: dict[str, Any] = {
        "models": list(explorer.models.items()),
        "ofScores": explorer.of_scores,
        "lostIsLower": explorer.lost_is_lower,
        "numbers": [name for name in known if table[name].dtype.is_numeric()],
        "columns": table.select(known).to_dict(as_series=False),
    }
    return base64.b64encode(gzip.compress(msgspec.json.encode(content), FASTER, mtime=0)).decode()


def _within_bounds(samples: pl.DataFrame) -> pl.DataFrame:
    """In the same order, at most MOST samples with at most MOST_CHARACTERS in texts that are each cut to LONGEST."""
    quadrants = [name for name in samples.columns if name.endswith(("_quadrant", "_against_new"))]
    changed = pl.any_horizontal(pl.col(name).is_in(CHANGED).fill_null(False) for name in quadrants)
    ranked = samples.with_row_index("_place").sort(~changed, maintain_order=True).head(MOST)
    cut = ranked.with_columns(_shortened(samples))
    sizes = [lengths.list.sum().cast(pl.Int64) for lengths in _lengths(samples)]
    lists = [pl.col(name).list.len().cast(pl.Int64) * NUMBER for name in samples.columns if _has_numbers(samples, name)]
    kept = cut.filter(pl.sum_horizontal(*sizes, *lists).cum_sum() <= MOST_CHARACTERS)
    return kept.sort("_place").drop("_place")


def _shortened(samples: pl.DataFrame) -> Iterator[pl.Expr]:
    """Each column of texts, or of lists of texts such as right answers, with none longer than LONGEST, and each of
    lists of numbers, such as log-likelihoods, with DECIMALS."""
    for name, kind in samples.schema.items():
        if kind == pl.String:
            yield _cut(pl.col(name), name)
        elif kind == pl.List(pl.String):
            yield pl.col(name).list.eval(_cut(pl.element(), name))
        elif _has_numbers(samples, name):
            yield pl.col(name).list.eval(pl.element().round(DECIMALS))


def _has_numbers(samples: pl.DataFrame, name: str) -> bool:
    return samples.schema[name] == pl.List(pl.Float64)


def _lengths(samples: pl.DataFrame) -> Iterator[pl.Expr]:
    """Of the same columns, the characters of each text, as lists."""
    for name, kind in samples.schema.items():
        if kind in (pl.String, pl.List(pl.String)):
            texts = pl.concat_list(name) if kind == pl.String else pl.col(name)
            yield texts.list.eval(pl.element().str.len_chars())


def _cut(text: pl.Expr, name: str) -> pl.Expr:
    """Of prompts the end, since the question stands there, of other texts the beginning."""
    said = pl.format(f"[{LONGEST} of {{}} characters]", text.str.len_chars())
    if name == "prompt":
        short = pl.format("{} …{}", said, text.str.tail(LONGEST))
    else:
        short = pl.format("{}… {}", text.str.head(LONGEST), said)
    return pl.when(text.str.len_chars() > LONGEST).then(short).otherwise(text)


def _note(samples: pl.DataFrame, kept: pl.DataFrame) -> str:
    parts = []
    if len(kept) < len(samples):
        parts.append(f"{len(kept):,} of {len(samples):,} samples, those that changed first; --flips FILE writes all.")
    longest = kept.select(pl.max_horizontal(lengths.list.max() for lengths in _lengths(kept)).max()).item()
    if longest is not None and longest > LONGEST:  # with the words that say so, one that was cut still is
        parts.append(f"Texts of more than {LONGEST:,} characters are cut; --flips FILE has them whole.")
    return " ".join(parts)
