"""The tables of a made-up study: every number is that of plain arithmetic, and what is missing shows."""

from __future__ import annotations

import re

import pytest

import recount
from study_case import TASKS, UPDATES, Study


@pytest.mark.parametrize("name", ["discrete", "continuous", "ablation"])
def test_every_number_is_that_of_plain_arithmetic(study: Study, name: str) -> None:
    done = [cell for cell in study.cells if cell["status"] == "done"]
    rows = recount.assert_table(study.folder / f"tables/{name}.csv", done, study.answers)
    kinds = [kind for _, kind in TASKS.values() if name in (kind, "ablation")]
    assert len(rows) == len(UPDATES) * len(kinds) * (2 if name == "ablation" else 3)


def test_what_failed_shows(study: Study) -> None:
    rows = recount.table(study.folder / "tables/missing.csv")
    assert [row["reason"] for row in rows] == ["out of memory", "50% of the_disk", "50% of the_disk"]
    discrete = (study.folder / "tables/discrete.md").read_text(encoding="utf-8")
    assert re.search(r"continue_ce \\\[1\\\] \| 1/2 \|", discrete)
    assert "[1] over 1 of 2 seeds; seed 1 failed: out of memory" in discrete
    continuous = (study.folder / "tables/continuous.md").read_text(encoding="utf-8")
    line = next(line for line in continuous.splitlines() if "0/2" in line)
    assert set(line.split("0/2 | ")[1].split(" | ")) - {"- |"} == {"-"}
    assert "no result; seeds 0, 1 failed: 50% of the_disk" in continuous
    assert "left out, no results to compare" in (study.folder / "findings.md").read_text(encoding="utf-8")


def test_numbers_of_people_are_percent_with_two_decimals(study: Study) -> None:
    row = next(row for row in recount.table(study.folder / "tables/discrete.csv") if row["strategy"] == "student_wrong")
    text = (study.folder / "tables/discrete.md").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if "student_wrong" in line)
    assert f"| {100 * float(row['score']):.2f} ± {100 * float(row['score_sd']):.2f} |" in line
    low, high = (f"{100 * float(row[f'delta_nfr_{end}']):+.2f}" for end in ("low", "high"))
    delta = f"{100 * float(row['delta_nfr']):+.2f} ± {100 * float(row['delta_nfr_sd']):.2f}"
    assert rf"{delta} \[{low}, {high}\]" in line
