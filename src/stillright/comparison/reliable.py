"""Which items changed reliably: more often right in the runs of one model than chance explains."""

from __future__ import annotations

import math
from math import comb

import numpy as np
import polars as pl
from pydantic import BaseModel

from stillright.comparison.attempts import runs_right
from stillright.comparison.models import Model
from stillright.significance import Array, benjamini_hochberg

ALPHA = 0.05  # of what is named, the share that may be chance
MOST = 10  # items shown


class ReliableItem(BaseModel, frozen=True):
    """One item, in how many runs of old and of new it is right, and its adjusted p."""

    id: str
    old_right: int
    new_right: int
    p_adjusted: float


class Reliably(BaseModel, frozen=True):
    """Items that changed in one direction. count: of all that are named, of which `items` are those of least p.

    tested: items whose right runs, of both models together, are neither so many nor so few that no order of them has
    p <= ALPHA; that is known without looking at which model they are of. least_items: how many of these would have to
    turn wholly for one to be named; None where no number is enough.
    """

    count: int
    tested: int
    least_items: int | None
    items: tuple[ReliableItem, ...]


class Reliable(BaseModel, frozen=True):
    """What changed reliably between two models with runs each. old_runs, new_runs: how many.

    lost, gained: items, by Fisher's exact test (one-sided) of the right runs of each, adjusted among all items tested
    in that direction (Benjamini and Hochberg, 1995; over those that can be shown: Gilbert, 2005), so that 5 % of what
    is named is chance at most. least_runs: of each model, from which on a single item could be named, however many
    others are tested.
    """

    old_runs: int
    new_runs: int
    least_runs: int
    lost: Reliably
    gained: Reliably


def reliable(old: Model[pl.DataFrame], new: Model[pl.DataFrame]) -> Reliable | None:
    """Of tables that have `right`; None where neither model has several runs."""
    runs = len(old.runs), len(new.runs)
    if max(runs) < 2:
        return None
    ps = adjusted_ps(old, new)
    return Reliable(
        old_runs=runs[0],
        new_runs=runs[1],
        least_runs=least_runs(len(ps)),
        lost=_reliably(old, new, ps["lost"].to_numpy()),
        gained=_reliably(old, new, ps["gained"].to_numpy()),
    )


def adjusted_ps(old: Model[pl.DataFrame], new: Model[pl.DataFrame]) -> pl.DataFrame:
    """Of each item in the columns `lost` and `gained`; NaN where it is not tested."""
    before, after = runs_right(old).astype(int), runs_right(new).astype(int)
    runs = len(old.runs), len(new.runs)
    return pl.DataFrame(
        {
            "lost": _adjusted(_fisher(*runs), before, after),
            "gained": _adjusted(_fisher(*runs[::-1]), after, before),
        }
    )


def _adjusted(ps: Array, higher: Array, lower: Array) -> Array:
    """The adjusted p of each item that could have p <= ALPHA. ps: (runs + 1, runs + 1) by right runs of both."""
    some = ps.shape[0] - 1
    totals = np.arange(sum(ps.shape) - 1)
    least = np.array([ps[min(total, some), total - min(total, some)] for total in totals])
    tested = least[higher + lower] <= ALPHA
    result = np.full(len(higher), math.nan)
    result[tested] = benjamini_hochberg(ps[higher[tested], lower[tested]])
    return result


def _fisher(higher: int, lower: int) -> Array:
    """One-sided p that the first of two models is not right more often, by the right runs of each of so many."""
    orders = comb(higher + lower, higher)

    def p(a: int, b: int) -> float:
        ways = sum(comb(a + b, x) * comb(higher + lower - a - b, higher - x) for x in range(a, min(a + b, higher) + 1))
        return ways / orders

    return np.array([[p(a, b) for b in range(lower + 1)] for a in range(higher + 1)])


def _reliably(old: Model[pl.DataFrame], new: Model[pl.DataFrame], ps: Array) -> Reliably:
    tested, named = int((~np.isnan(ps)).sum()), np.flatnonzero(ps <= ALPHA)
    shown = named[np.argsort(ps[named], kind="stable")][:MOST]
    ids, before, after = old.runs[0]["id"], runs_right(old), runs_right(new)
    items = (ReliableItem(id=ids[i], old_right=before[i], new_right=after[i], p_adjusted=ps[i]) for i in shown.tolist())
    least_p = 1 / comb(len(old.runs) + len(new.runs), len(old.runs))
    least = max(1, math.ceil(least_p * tested / ALPHA - 1e-9)) if least_p <= ALPHA else None
    return Reliably(count=len(named), tested=tested, least_items=least, items=tuple(items))


def least_runs(items: int) -> int:
    """Of each model, at which one item that turns wholly has p <= ALPHA among so many others."""
    runs = 1
    while comb(2 * runs, runs) < items / ALPHA:
        runs += 1
    return runs
