"""A comparison in Python: its headline numbers, in a line, in a notebook, as reports and as a figure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import stillright
from samples import write_rows
from stillright import Comparison
from stillright.report.html import html
from stillright.report.markdown import markdown
from stillright.report.pages import comparison_page

HOSTILE = "<script>alert(1)</script>$x"


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    """Of ten samples new loses one of old's nine right answers; both are strings, as paths may be."""
    right = [{"id": i, "prediction": "A", "reference": "A"} for i in range(10)]
    header = {"header": {"name": HOSTILE}}
    old = write_rows(tmp_path / "old.jsonl", [header, *right[:9], {**right[9], "prediction": "B"}])
    new = write_rows(
        tmp_path / "new.jsonl", [{**right[0], "prediction": "B"}, *right[1:9], {**right[9], "prediction": "B"}]
    )
    return stillright.compare(str(old), str(new))


def test_headline_numbers(comparison: Comparison) -> None:
    assert (comparison.lost, comparison.gained) == (1, 0)
    assert (comparison.nfr.value, comparison.pfr.value) == (0.1, 0)
    assert comparison.nfr_mc.value == 0.1  # the mistake in the last sample stays the same
    assert comparison.delta_score.value == -0.1


def test_one_line(comparison: Comparison) -> None:
    line = repr(comparison)
    assert line == str(comparison)
    assert line.startswith(f"<Comparison of {HOSTILE!r} to 'new', n = 10: NFR 10.00 % [")
    assert "\n" not in line
    assert len(line) < 200


def test_reports_are_those_of_the_command(comparison: Comparison) -> None:
    assert comparison.to_html() == html(comparison_page(comparison))
    assert comparison.to_markdown() == markdown(comparison_page(comparison))


def test_a_notebook_shows_text_alone(comparison: Comparison) -> None:
    cell = comparison._repr_html_()
    assert "<script" not in cell
    assert "&lt;script&gt;" in cell
    assert "it loses 1 of 10 answers" in cell


def test_plot(comparison: Comparison, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = comparison.plot()
    parts, rates = figure.axes
    assert [bar.get_width() for bars in parts.containers for bar in bars] == [
        80,
        10,
        10,
    ]  # both right, both wrong, lost; none gained
    assert np.asarray(rates.lines[0].get_xdata()).tolist() == [10]
    figure.savefig(tmp_path / "figure.png")


def test_a_policy_may_be_a_path(comparison: Comparison, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("limits: [{metric: nfr, max: 0.5, bound: value}]")
    gated = stillright.gate(str(tmp_path / "old.jsonl"), str(tmp_path / "new.jsonl"), str(policy))
    assert isinstance(gated, stillright.Gated)
    assert isinstance(gated.verdict.checks[0], stillright.Check)
    assert stillright.load_policy(str(policy)).limits[0].max == 0.5


LIGHT = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "trl", "transformers"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Without())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "torch" else found(name, *more)
from stillright import *
import pydoc, stillright
assert "compare(" in pydoc.render_doc(stillright)
try:
    stillright.CompatTrainer
except stillright.StillrightError as error:
    print(error)
"""


def test_everything_listed_is_there_without_the_extra_train() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "pip install 'stillright[train]'" in done.stdout
