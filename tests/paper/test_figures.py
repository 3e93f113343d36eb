"""Figures say what they show, and what is missing."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.container import BarContainer

from recount import FIGURES
from samples import write_rows
from stillright.paper import figures, write_results
from stillright.paper.cells_csv import read_cells
from stillright.paper.rows import rows_of
from study_case import STRATEGIES, TASKS, UPDATES, Study


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_readable_and_labelled(study: Study, name: str) -> None:
    assert (study.folder / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    root = ElementTree.parse(study.folder / f"figures/{name}.svg").getroot()
    texts = {"".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"piqa (acc)", *UPDATES} <= texts
    wanted = {
        "quadrants": {"both right", "gained", "new (retrained)", "continue_ce [1/2 seeds]", "no result"},
        "nfr_vs_gain": {"NFR, old → new (%)", "gain in score, new - old (points)"},
        "nfr_mc": {"NFR", "NFR_mc", "new (retrained)", "share of samples (%)"},
        "plane": {"NFR (%)", "acc (%)", "rouge1 (%)", "no result: student_wrong", "hollow: fewer seeds than asked"},
    }
    assert wanted[name] <= texts


def test_the_legend_names_no_strategy_without_results(tmp_path: Path) -> None:
    made = Study(tmp_path, STRATEGIES)
    for update, task, seed in product(UPDATES, TASKS, (0, 1)):
        made.fail(update, task, "continue_ce", seed, reason="out of memory")
    write_results(made.write())
    root = ElementTree.parse(tmp_path / "figures/plane.svg").getroot()
    texts = ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"student_wrong", "no result: continue_ce"} <= set(texts)
    assert "continue_ce" not in texts


def graded_alone(path: Path) -> None:
    """Leaves of every answer whether it is right, which defines NFR but not NFR_mc."""
    header, *rows = map(json.loads, path.read_text().splitlines())
    write_rows(path, [header, *({"id": row["id"], "correct": row["prediction"] == "A"} for row in rows)])


def test_an_undefined_value_is_no_bar_of_length_zero(tmp_path: Path) -> None:
    made = Study(tmp_path, ["student_wrong", "old_only"], seeds=[0])
    for cell in made.cells:
        if (cell["task"], cell["strategy"]) == ("piqa", "student_wrong"):
            graded_alone(tmp_path / cell["predictions"])
    rows = [row for row in rows_of(read_cells(made.write()), tmp_path) if row.task.kind == "discrete"]
    axes = figures.nfr_mc(rows).axes[0]
    nfr, nfr_mc = ([bar.get_width() for bar in bars] for bars in axes.containers if isinstance(bars, BarContainer))
    assert not any(map(math.isnan, nfr))
    assert [math.isnan(width) for width in nfr_mc] == [False, True, False]  # new, student_wrong, old_only
    assert [text.get_text() for text in axes.texts] == ["undefined"]
