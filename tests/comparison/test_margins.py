"""How sure old was of what new lost: by hand, and counted anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from samples import write_rows
from stillright.cli import main
from stillright.comparison import compare
from stillright.errors import DataError
from stillright.records import Header, PredictionSet
from stillright.scoring.margins import margin
from stillright.stats import wilson


def answered(name: str, right: list[bool], margins: list[float | None] | None = None) -> PredictionSet:
    rows = [{"id": str(i), "correct": r, "margin": margins[i] if margins else None} for i, r in enumerate(right)]
    return PredictionSet.from_rows(Header(name=name), rows)


def test_a_margin_is_that_of_the_best_right_choice_over_the_best_other() -> None:
    assert margin([-1.0, -3.0, -2.5], {0}) == 1.5
    assert margin([-1.0, -3.0, -2.5], {1, 2}) == -1.5
    assert margin([-1.0, -2.0], {0, 1}) is margin([-1.0, -2.0], set()) is None


def test_bins_by_hand() -> None:
    # right answers of old by margin 0.1 ... 1.0; new loses those of 0.1, 0.2 and 0.7; the last sample's is unknown
    old = answered("old", [True] * 11 + [False], [*(i / 10 for i in range(1, 11)), None, -0.3])
    new = answered("new", [i not in (0, 1, 6) for i in range(12)])
    found = compare(old, new).margins
    assert found is not None
    assert (found.n, found.unknown, found.lost, found.median_lost) == (10, 1, 3, 0.2)
    assert found.median_kept == pytest.approx(0.6)  # of 0.3 to 0.6, 0.8 to 1.0
    assert [(each.low, each.n, each.lost, each.lost_up_to) for each in found.bins] == [
        (0.1, 2, 2, 2),
        (0.3, 2, 0, 2),
        (0.5, 2, 0, 2),
        (0.7, 2, 1, 3),
        (0.9, 2, 0, 3),
    ]
    assert found.bins[0].nfr == wilson(2, 2)


def test_bins_hold_every_right_answer_once_also_with_ties() -> None:
    generator = np.random.default_rng(7)
    sizes = np.round(generator.exponential(0.5, 200), 1)
    right, kept = generator.random(200) < 0.7, generator.random(200) < 0.8
    found = compare(answered("old", right.tolist(), sizes.tolist()), answered("new", kept.tolist())).margins
    assert found is not None
    assert sum(each.n for each in found.bins) == found.n == right.sum()
    assert sum(each.lost for each in found.bins) == found.lost == (right & ~kept).sum()
    for each in found.bins:
        here = right & (sizes >= each.low) & (sizes <= each.high)
        assert (each.n, each.lost) == (here.sum(), (here & ~kept).sum())
        assert each.lost_up_to == (right & ~kept & (sizes <= each.high)).sum()


def test_without_margins_there_is_no_such_account() -> None:
    assert compare(answered("old", [True]), answered("new", [False])).margins is None
    with pytest.raises(DataError, match="the margin is not a finite number"):
        answered("old", [True], [float("inf")])


def test_reports_and_flips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = write_rows(tmp_path / "old.jsonl", [{"id": i, "correct": True, "margin": i / 4} for i in range(8)])
    new = write_rows(tmp_path / "new.jsonl", [{"id": i, "correct": i > 1, "margin": i - 1.5} for i in range(8)])
    report, found = tmp_path / "report.md", tmp_path / "flips.jsonl"
    assert (
        main(["compare", str(old), str(new), "--markdown", str(report), "--flips", str(found), "--quadrant", "lost"])
        == 0
    )
    assert "| 0 to 0.25 | 2 | 2 | 100.00 %" in report.read_text()
    assert "Median margin of old's right answers: 0.125 of those lost, 1.12 of those kept." in report.read_text()
    rows = [json.loads(line) for line in found.read_text().splitlines()]
    assert [(row["old_margin"], row["new_margin"]) for row in rows] == [(0.0, -1.5), (0.25, -0.5)]
    assert "share lost" in capsys.readouterr().out
