"""Differences between two models of one update over the same samples, several seeds together.

A sample's mean over seeds is one value, and samples are what is drawn: a sample's seeds stay together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from stillright.comparison.columns import changed
from stillright.comparison.pairing import pair
from stillright.comparison.quadrants import quadrants, score_parts
from stillright.comparison.tally import Tally
from stillright.records import Kind, PredictionSet
from stillright.significance import Array, sign_flip
from stillright.stats import UNDEFINED, Estimate, reaching_zero


class Triple(NamedTuple):
    """The predictions of one seed."""

    old: PredictionSet
    reference: PredictionSet
    candidate: PredictionSet


@dataclass(frozen=True)
class Difference:
    """Candidate less reference, in rates that count against old. p: the exact sign-flip test over samples."""

    nfr: Estimate
    nfr_relative: Estimate
    score: Estimate
    nfr_p: float
    nfr_mc: Estimate = UNDEFINED
    nfr_mc_p: float | None = None
    unchanged: bool = False  # no sample's score differs


def same_samples(files: Iterable[PredictionSet]) -> bool:
    """Whether all of them hold the same ids, in whatever order."""
    return len({frozenset(each.table["id"]) for each in files}) == 1


def difference(seeds: Sequence[Triple]) -> Difference:
    """What the candidate changes against the reference, over the samples that every file of every seed scores.

    One seed: Tango's interval. Several: that of the mean of the samples' means over seeds. p: the exact sign-flip test
    of the samples' sums over seeds, which is McNemar's for one seed; no interval leaves zero out where p is above 0.05.
    Raises DataError where the files do not answer the same samples.
    """
    paired = pair([each for seed in seeds for each in seed])
    tables = [paired.tables[i : i + 3] for i in range(0, len(paired.tables), 3)]
    tally = _tally([_columns(paired.kind, *triple) for triple in tables])
    lost = ("negative_flip.candidate", "negative_flip.reference", "negative_flip.both")
    changes = ("changed.candidate", "changed.reference", "changed.both")
    nfr_p = _flip_p(tally, "negative_flip")
    both_right = "score.both" if paired.kind == "discrete" else None
    nfr_mc_p = _flip_p(tally, "changed") if "changed.both" in tally.columns else None
    return Difference(
        nfr=reaching_zero(tally.difference(*lost), nfr_p),
        nfr_relative=reaching_zero(tally.relative(*lost), nfr_p),
        score=tally.difference("score.candidate", "score.reference", both_right),
        nfr_p=nfr_p,
        nfr_mc=reaching_zero(tally.difference(*changes), nfr_mc_p) if nfr_mc_p is not None else UNDEFINED,
        unchanged=bool((tally.columns["score.candidate"] == tally.columns["score.reference"]).all()),
        nfr_mc_p=nfr_mc_p,
    )


def _columns(kind: Kind, old: pl.DataFrame, reference: pl.DataFrame, candidate: pl.DataFrame) -> dict[str, Array]:
    """Per-sample columns of one seed, (n,) each."""
    parts = {"reference": _against(kind, old, reference), "candidate": _against(kind, old, candidate)}
    columns = {f"{name}.{role}": values for role, part in parts.items() for name, values in part.items()}
    for name in parts["reference"].keys() & parts["candidate"].keys():
        columns[f"{name}.both"] = columns[f"{name}.reference"] * columns[f"{name}.candidate"]
    return columns


def _against(kind: Kind, old: pl.DataFrame, new: pl.DataFrame) -> dict[str, Array]:
    """Score of new, 1 where it is right, and whether it lost the sample; `changed` where all answers are known."""
    scored = "right" if kind == "discrete" else "score"
    before, now = (table[scored].cast(pl.Float64).to_numpy() for table in (old, new))
    parts = quadrants(before, now) if kind == "discrete" else score_parts(before, now)
    columns = {"score": now, "negative_flip": parts["regression"]}
    if kind == "discrete" and not old["answer"].null_count() and not new["answer"].null_count():
        columns["changed"] = changed(old, new).cast(pl.Float64).to_numpy()
    return columns


def _tally(seeds: list[dict[str, Array]]) -> Tally:
    """The mean over seeds of the columns that all seeds have; samples with equal values are one row."""
    names = sorted(set.intersection(*(set(seed) for seed in seeds)))
    means = np.mean([[seed[name] for name in names] for seed in seeds], axis=0)  # (columns, n)
    rows, counted = np.unique(means.T, axis=0, return_counts=True)
    columns, counts = dict(zip(names, rows.T, strict=True)), counted.astype(np.float64)
    return Tally.of(columns, counts, pairs=len(seeds))


def _flip_p(tally: Tally, name: str) -> float:
    gap = tally.columns[f"{name}.candidate"] - tally.columns[f"{name}.reference"]  # means over seeds, of 0 and 1
    return sign_flip(np.rint(gap * tally.pairs), tally.counts)
