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
    # right answers of old by margin 0.01 ... 0.60, in two bins of thirty; new loses 0.01, 0.02 and 0.31, the candidate
    # 0.60 alone; of the last two samples one has no margin, and one old never had right
    old = answered("old", [True] * 61 + [False], [*(i / 100 for i in range(1, 61)), None, -0.3])
    new = answered("new", [i not in (0, 1, 30) for i in range(62)])
    candidate = answered("candidate", [i != 59 for i in range(62)])
    found = compare(old, new, [candidate]).margins
    assert found is not None
    assert (found.n, found.unknown, found.lost, found.lost_by, found.median_lost) == (60, 1, 3, (1,), 0.02)
    assert [(each.low, each.high, each.n, each.lost, each.lost_up_to) for each in found.bins] == [
        (0.01, 0.3, 30, 2, 2),
        (0.31, 0.6, 30, 1, 3),
    ]
    assert [(each.lost, each.lost_up_to) for bin_ in found.bins for each in bin_.candidates] == [(0, 0), (1, 1)]
    assert found.bins[0].nfr == wilson(2, 30)
    assert found.bins[1].candidates[0].nfr == wilson(1, 30)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([0.1] * 5, [5]),
        ([i / 100 for i in range(59)], [59]),  # two bins would be smaller than thirty
        ([i / 1000 for i in range(150)], [30] * 5),
        ([i / 1000 for i in range(1000)], [200] * 5),
        ([0.1] * 59 + [0.2], [60]),  # the second bin would be of one sample
        ([0.1] * 31 + [0.2] * 29 + [0.3] * 30, [31, 59]),  # that of 0.2 is too small alone
    ],
)
def test_bins_are_of_thirty_or_more(sizes: list[float], expected: list[int]) -> None:
    right = [True] * len(sizes)
    found = compare(answered("old", right, list(sizes)), answered("new", right)).margins
    assert found is not None
    assert [each.n for each in found.bins] == expected


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
    old = write_rows(tmp_path / "old.jsonl", [{"id": i, "correct": True, "margin": i / 4} for i in range(60)])
    new = write_rows(
        tmp_path / "new.jsonl", [{"id": i, "correct": i not in (0, 40), "margin": i - 1.5} for i in range(60)]
    )
    report, found = tmp_path / "report.md", tmp_path / "flips.jsonl"
    options = ["--markdown", str(report), "--flips", str(found), "--quadrant", "lost"]
    assert main(["compare", str(old), str(new), *options]) == 0
    text = report.read_text()
    assert "| 0 to 7.25 | 30 | 1 (1) | 3.33 %" in text
    assert "| 7.5 to 14.8 | 30 | 1 (2) | 3.33 %" in text
    assert "Lost by new: 2, of which 1 had a margin of at most 7.25, as have 30 of old's 60 right answers." in text
    assert "Median margin of old's right answers: 5 of those that new lost, 7.38 of those that new kept." in text
    rows = [json.loads(line) for line in found.read_text().splitlines()]
    assert [(row["old_margin"], row["new_margin"]) for row in rows] == [(0.0, -1.5), (10.0, 38.5)]
    assert "share lost" in capsys.readouterr().out
