"""Near-ties: how sure old was of the right answers that new and candidates lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from pydantic import BaseModel

from stillright.clusters import drawn_from
from stillright.comparison.quadrants import quadrants
from stillright.significance import Array
from stillright.stats import Estimate

BINS = 5  # of old's right answers at most, with as many in each as ties allow
FEWEST = 30  # right answers in a bin, unless there are fewer altogether


class BinLoss(BaseModel, frozen=True):
    """What one model loses of the right answers of old in a bin; nfr: their share.

    lost_up_to: of those in this bin and below.
    """

    lost: int
    nfr: Estimate
    lost_up_to: int


class MarginBin(BinLoss, frozen=True):
    """Right answers of old with a margin from `low` to `high`, both included, and what new loses of them.

    candidates: what each of them loses, in their order.
    """

    low: float
    high: float
    n: int
    candidates: tuple[BinLoss, ...] = ()


class Margins(BaseModel, frozen=True):
    """The margins of old's right answers over the best other choice, where they are known.

    unknown: right answers of old without one. lost: by new; lost_by: by each candidate, in their order. median_lost,
    median_kept: of the margins of those that new loses and keeps, None without any.
    """

    n: int
    unknown: int
    lost: int
    lost_by: tuple[int, ...] = ()
    median_lost: float | None
    median_kept: float | None
    bins: tuple[MarginBin, ...]


def margins(old: pl.DataFrame, others: Sequence[pl.DataFrame], cluster: pl.Series | None = None) -> Margins | None:
    """Of tables of the same samples that have `right`; None where no margin of a right answer of old is known.

    others: new, then candidates. cluster: (n,), the number of each sample's.
    """
    known = (old["right"] & old["margin"].is_not_null()).to_numpy()
    if not known.any():
        return None
    sizes = old["margin"].to_numpy()[known]
    lost = [_lost(old, other)[known] for other in others]
    numbers = None if cluster is None else cluster.to_numpy()[known]
    return Margins(
        n=len(sizes),
        unknown=int(old["right"].sum()) - len(sizes),
        lost=int(lost[0].sum()),
        lost_by=tuple(int(each.sum()) for each in lost[1:]),
        median_lost=_median(sizes[lost[0] > 0]),
        median_kept=_median(sizes[lost[0] == 0]),
        bins=_bins(sizes, lost, numbers),
    )


def _lost(old: pl.DataFrame, other: pl.DataFrame) -> Array:
    return quadrants(*(table["right"].cast(pl.Float64).to_numpy() for table in (old, other)))["regression"]


def _bins(sizes: Array, lost: Sequence[Array], numbers: Array | None) -> tuple[MarginBin, ...]:
    edges = _edges(sizes)
    places = np.searchsorted(edges, sizes)
    found = []
    for place, edge in enumerate(edges):
        here = places == place
        losses = [_loss(each, here, sizes <= edge, numbers) for each in lost]
        span = {"low": float(sizes[here].min()), "high": float(edge), "n": int(here.sum())}
        found.append(MarginBin(**span, **dict(losses[0]), candidates=tuple(losses[1:])))
    return tuple(found)


def _edges(sizes: Array) -> Array:
    """The largest margin of each bin. Equal margins are in one bin; one with too few is part of the next, the last of
    the one before."""
    ordered, parts = np.sort(sizes), min(BINS, max(len(sizes) // FEWEST, 1))
    ends = np.unique(ordered[[-(-len(sizes) * part // parts) - 1 for part in range(1, parts + 1)]])
    edges: list[float] = []
    before = 0
    for end, up_to in zip(ends, np.searchsorted(ordered, ends, side="right"), strict=True):
        if not edges or up_to - before >= FEWEST:
            edges.append(end)
            before = up_to
    return np.array([*edges[:-1], ordered[-1]])


def _loss(lost: Array, here: Array, up_to: Array, numbers: Array | None) -> BinLoss:
    n, count = int(here.sum()), int(lost[here].sum())
    ones = np.ones(n)
    rate = drawn_from(None if numbers is None else numbers[here], ones).rate(lost[here], ones, n)
    return BinLoss(lost=count, nfr=rate, lost_up_to=int(lost[up_to].sum()))


def _median(sizes: Array) -> float | None:
    return float(np.median(sizes)) if len(sizes) else None
