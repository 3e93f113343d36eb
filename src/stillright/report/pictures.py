"""Comparison -> the blocks that only HTML draws: headline, flows, charts by slice and by score, the plane.

Says which numbers are drawn and in which words; svg.py says where they lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np
import polars as pl

from stillright.comparison import Comparison, Flips, Slice
from stillright.report import words
from stillright.report.page import (
    Balance,
    Chart,
    Charted,
    Flow,
    Flows,
    Headline,
    Plane,
    Point,
    Ribbon,
    Section,
    Whiskers,
)
from stillright.report.pages import delta_rows, noise_rows
from stillright.stats import Estimate

# what old's samples were, and what they became
OF_ANSWERS: tuple[Sequence[str], Sequence[str]] = (("right", "wrong"), ("right", "wrong"))
OF_SCORES: tuple[Sequence[str], Sequence[str]] = (("all",), ("better", "unchanged", "worse"))
# part of Flips -> the places of what it joins
JOINS = {
    "both_right": (0, 0),
    "gain": (1, 0),
    "regression": (0, 1),
    "both_wrong": (1, 1),
}
JOINS_OF_SCORES = {"gain": (0, 0), "unchanged": (0, 1), "regression": (0, 2)}
BINS = 10  # of old's scores


def headline(comparison: Comparison) -> Headline:
    """Score, what was lost and gained, the noise floor beside it, and what candidates change against new."""
    flips = [each for _, each in comparison.flips_by_model]
    blank = [""] * len(comparison.candidates)
    floor = noise_rows(comparison) or [[words.NOISE_FLOOR, "not measured", "not measured", *blank]]
    rows = [
        [comparison.metric or "score", *(words.score(comparison, model.score_interval) for model in comparison.models)],
        [words.METRICS["nfr"], "", *(words.percent(each.nfr) for each in flips)],
        *floor,
        [words.METRICS["pfr"], "", *(words.percent(each.pfr) for each in flips)],
        *delta_rows(comparison),
    ]
    return Headline(["", *(model.name for model in comparison.models)], rows)


def flows(comparison: Comparison) -> Flows:
    """What became of old's answers in new and in each candidate."""
    return Flows([_flow(name, flips, comparison.n) for name, flips in comparison.flips_by_model])


def _flow(name: str, flips: Flips, n: int) -> Flow:
    of_answers = flips.both_right is not None
    joins: Mapping[str, tuple[int, int]] = JOINS if of_answers else JOINS_OF_SCORES
    counts = {part: getattr(flips, part) for part in joins}
    ribbons = [
        Ribbon(*joins[part], part, words.COUNTS[part], count / n, f"{words.count(count)} ({words.percent(count / n)})")
        for part, count in counts.items()
    ]
    sources, targets = OF_ANSWERS if of_answers else OF_SCORES
    return Flow(name, sources, targets, ribbons)


def slice_sections(comparison: Comparison) -> list[Section]:
    """NFR by each column that was sliced by, a section each, worst first.

    By how many answers were lost, less what NFR of all samples would lose: so neither the small slices come first, in
    which one answer is a high rate, nor the large ones.
    """
    columns = groupby(comparison.slices, key=lambda part: part.column)
    return [Section(f"NFR by {column}", [_slice_chart(list(parts), comparison)]) for column, parts in columns]


def _slice_chart(parts: Iterable[Slice], comparison: Comparison) -> Chart:
    head = ["", "NFR, 95 %", "n", *(model.name for model in comparison.models), "lost", "gained"]
    head += [f"NFR of {name}" for name, _ in comparison.flips_by_model]
    rate = comparison.comparison.regression / comparison.n
    ranked = sorted(parts, key=lambda part: part.comparison.regression - rate * part.n, reverse=True)
    rows = [_slice_row(part, comparison) for part in ranked]
    return Chart([*head, "p, adjusted"], rows, "Those first that lost the most answers beyond the NFR of all samples.")


def _slice_row(part: Slice, comparison: Comparison) -> Charted:
    estimates = [flips.nfr for _, flips in part.flips_by_model]
    cells = [
        part.value,
        f"{part.n:,}",
        *(words.score(comparison, model.score) for model in part.models),
        words.count(part.comparison.regression),
        words.count(part.comparison.gain),
        *map(words.percent, estimates),
        words.bare_p(part.p_adjusted),
    ]
    return Charted(cells, Whiskers(estimates))


def plane(comparison: Comparison) -> Plane:
    """Score and NFR of new and of each candidate, and the score of old."""
    old, new = comparison.old, comparison.new
    models = [(new.name, new.score_interval, comparison.comparison.nfr)]
    models += [(each.name, each.score_interval, each.comparison.nfr) for each in comparison.candidates]
    nothing = Estimate(0.0, 0.0, 0.0)
    known = Point(old.name, old.score_interval, nothing), [Point(*each) for each in models]
    return Plane(comparison.metric or "score", words.are_fractions(comparison), *known)


def score_chart(samples: pl.DataFrame, comparison: Comparison) -> Chart:
    """Of scores: how many samples got worse and better in new, by bins of old's score of equal width."""
    old = samples["old_score"].to_numpy()
    edges = np.histogram_bin_edges(old, BINS)
    places = np.clip(np.digitize(old, edges) - 1, 0, BINS - 1)
    quadrants = samples["new_quadrant"].to_numpy()
    rows = []
    for i in range(BINS):
        inside = quadrants[places == i]
        lost, gained = int((inside == "lost").sum()), int((inside == "gained").sum())
        label = f"{edges[i]:.3g} to {edges[i + 1]:.3g}"
        rows.append(Charted([label, f"{len(inside):,}", f"{lost:,}", f"{gained:,}"], Balance(lost, gained)))
    head = [f"{comparison.metric or 'score'} of {comparison.old.name}", "worse | better", "n", "worse", "better"]
    return Chart(head, rows, "")
