"""The tables of a study, counted anew by plain loops over its answers; from brute.py, and nothing of stillright."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

import brute

FIGURES = ("quadrants", "nfr_vs_gain", "nfr_mc", "plane")
FILES = ("predictions_old", "predictions_new", "predictions")  # columns of cells.csv
PLACE = ("update", "task", "strategy")
RATES = ("nfr", "pfr", "nfr_mc", "mean_gain", "mean_regression")
PARTS = ("both_right", "gain", "both_wrong", "unchanged", "regression")
Answers = Mapping[str, brute.File]  # by path
Cell = Mapping[str, Any]


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def assert_table(path: Path, cells: Sequence[Cell], answers: Answers) -> list[dict[str, str]]:
    """Every number of tables/discrete.csv, continuous.csv or ablation.csv, given the cells that are done."""
    rows = table(path)
    for row in rows:
        here = [cell for cell in cells if all(cell[name] == row[name] for name in PLACE)]
        assert row["done"] == str(len(here))
        if here:
            assert_means(row, [measures(cell, answers) for cell in here])
        if here and here[0]["method"] != "retrain":
            assert_difference(row, here, answers)
    return rows


def measures(cell: Cell, answers: Answers) -> dict[str, float | None]:
    """The measures of one seed, by the names of their columns."""
    found = brute.account([[answers[cell[name]]] for name in FILES], cell["kind"])
    before, candidate = found["comparison"], found["candidates"][0]
    after = candidate["comparison"]
    scores = {"old": found["old"]["score"], "new": found["new"]["score"], "score": candidate["score"]}
    values: dict[str, float | None] = dict(scores)
    for suffix, flips in (("_new", before), ("", after)):
        values |= {name + suffix: flips[name] for name in RATES}
        values |= {name + suffix: brute.divided(flips.get(name), found["n"]) for name in PARTS}
    if cell["method"] != "retrain":
        values["delta_score"] = scores["score"] - scores["new"]
        for name in RATES:
            known = before[name] is not None and after[name] is not None
            values[f"delta_{name}"] = after[name] - before[name] if known else None
    return values


def assert_means(row: Mapping[str, str], seeds: Sequence[Mapping[str, float | None]]) -> None:
    """Means and deviations over seeds."""
    for measure in seeds[0]:
        known = [value for seed in seeds if (value := seed[measure]) is not None]
        assert same(row.get(measure, ""), fmean(known) if known else None), (row, measure)
        assert same(row.get(f"{measure}_sd", ""), stdev(known) if len(known) > 1 else None), (row, measure)


def assert_difference(row: Mapping[str, str], cells: Sequence[Cell], answers: Answers) -> None:
    """What the candidate changes against the new model: relative change, p, and intervals around the values."""
    assert same(row["delta_nfr_relative"], brute.divided(float(row["delta_nfr"]), float(row["nfr_new"]))), row
    assert same(row["delta_nfr_p"], flip_p(lost_by_both(cells, answers))), row
    assert same(row["delta_nfr_mc_p"], flip_p(changed_by_both(cells, answers))), row
    for name in ("nfr", "nfr_relative", "score", "nfr_mc"):
        if value := row[f"delta_{name}"]:
            assert float(row[f"delta_{name}_low"]) <= float(value) <= float(row[f"delta_{name}_high"]), (row, name)


Flips = tuple[str, float | None, float | None]  # a sample, whether new and whether the candidate flips it


def lost_by_both(cells: Sequence[Cell], answers: Answers) -> Iterator[Flips]:
    """The negative flips of every seed."""
    for cell in cells:
        old, *others = (answers[cell[name]] for name in FILES)
        for sample in old:
            new, candidate = (brute.lost(old, now, sample, cell["kind"], 0.0) for now in others)
            yield sample, new, candidate


def changed_by_both(cells: Sequence[Cell], answers: Answers) -> Iterator[Flips]:
    """The changed answers that are not gains, of every seed; None where they are not defined."""
    for cell in cells:
        old, *others = (answers[cell[name]] for name in FILES)
        for sample in old:
            known = cell["kind"] == "discrete"
            new, candidate = (brute.changed_answers([(old, now)], [sample]) if known else None for now in others)
            yield sample, new, candidate


def flip_p(flips: Iterator[Flips]) -> float | None:
    """p of the test that flips the signs of samples, a sample's seeds together."""
    gaps: dict[str, int] = {}
    for sample, new, candidate in flips:
        if new is None or candidate is None:
            return None
        gaps[sample] = gaps.get(sample, 0) + int(candidate) - int(new)
    return brute.sign_flip_p([gap for gap in gaps.values() if gap])


def same(text: str, value: float | None) -> bool:
    """Whether a field of a table holds a value."""
    return text == "" if value is None else bool(text) and float(text) == pytest.approx(value, abs=1e-12)
