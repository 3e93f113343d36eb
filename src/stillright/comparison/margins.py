"""Near-ties: how sure old was of the right answers that new lost."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import BaseModel

from stillright.clusters import drawn_from
from stillright.comparison.quadrants import quadrants
from stillright.significance import Array
from stillright.stats import Estimate

BINS = 5  # of old's right answers, with as many in each as ties allow


class MarginBin(BaseModel, frozen=True):
    """Right answers of old with a margin from `low` to `high`, both included; lost: by new, nfr: their share.

    lost_up_to: lost answers with a margin of `high` at most.
    """

    low: float
    high: float
    n: int
    lost: int
    nfr: Estimate
    lost_up_to: int


class Margins(BaseModel, frozen=True):
    """The margins of old's right answers over the best other choice, where they are known.

    unknown: right answers of old without one. median_lost, median_kept: of the margins of those that new loses and
    keeps, None without any.
    """

    n: int
    unknown: int
    lost: int
    median_lost: float | None
    median_kept: float | None
    bins: tuple[MarginBin, ...]


def margins(old: pl.DataFrame, new: pl.DataFrame, cluster: pl.Series | None = None) -> Margins | None:
    """Of two tables of the same samples that have `right`; None where no margin of a right answer of old is known.

    cluster: (n,), the number of each sample's.
    """
    known = (old["right"] & old["margin"].is_not_null()).to_numpy()
    if not known.any():
        return None
    sizes = old["margin"].to_numpy()[known]
    lost = quadrants(*(table["right"].cast(pl.Float64).to_numpy() for table in (old, new)))["regression"][known]
    numbers = None if cluster is None else cluster.to_numpy()[known]
    return Margins(
        n=len(sizes),
        unknown=int(old["right"].sum()) - len(sizes),
        lost=int(lost.sum()),
        median_lost=_median(sizes[lost > 0]),
        median_kept=_median(sizes[lost == 0]),
        bins=_bins(sizes, lost, numbers),
    )


def _bins(sizes: Array, lost: Array, numbers: Array | None) -> tuple[MarginBin, ...]:
    """Equal margins are in one bin, so there may be fewer than BINS."""
    ends = [-(-len(sizes) * part // BINS) - 1 for part in range(1, BINS + 1)]
    edges = np.unique(np.sort(sizes)[ends])
    places = np.searchsorted(edges, sizes)
    found = []
    for place, edge in enumerate(edges):
        here = places == place
        n, count = int(here.sum()), int(lost[here].sum())
        ones, theirs = np.ones(n), None if numbers is None else numbers[here]
        rate = drawn_from(theirs, ones).rate(lost[here], ones, n)
        low, up_to = float(sizes[here].min()), int(lost[sizes <= edge].sum())
        found.append(MarginBin(low=low, high=float(edge), n=n, lost=count, nfr=rate, lost_up_to=up_to))
    return tuple(found)


def _median(sizes: Array) -> float | None:
    return float(np.median(sizes)) if len(sizes) else None
