"""The HTML report: one page, nothing that runs but our own, and nothing of what a model says is interpreted."""

from __future__ import annotations

from typing import Any

import pytest

from stillright.comparison import compare
from stillright.records import Header, PredictionSet
from stillright.report.html import html
from stillright.report.markdown import markdown
from stillright.report.page import Balance, Checks, Page, Section, Whiskers
from stillright.report.pages import comparison_page
from stillright.report.pictures import flows
from stillright.report.svg import flow, marks
from stillright.stats import Estimate
from tags import Tags

EVIL = '<script>alert(1)</script><img src=x onerror="alert(1)">'


def results(name: str, *outputs: str) -> PredictionSet:
    rows: list[dict[str, Any]] = [
        {"id": f"{i}{EVIL}", "prediction": text, "output": text, "reference": "A", "prompt": EVIL, "part": EVIL}
        for i, text in enumerate(outputs)
    ]
    return PredictionSet.from_rows(
        Header(name=f"{name}{EVIL}", task=EVIL, source={"model": f"base of {name}{EVIL}"}), rows
    )


def test_the_page_shows_texts_and_runs_nothing() -> None:
    page = comparison_page(compare(results("old", "A", "A", "B"), results("new", EVIL, "A", "A"), slices=["part"]))
    found = Tags(html(page))
    assert not found.tags.keys() & {"script", "img", "iframe", "link", "object"}
    assert not {name for name in found.attributes if name.startswith("on") or name in ("src", "href")}
    assert found.text.count(EVIL) >= 6  # title, verdict, heads, slice, prompt and answer
    assert found.policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in found.policy


def test_reports_say_what_answered() -> None:
    page = comparison_page(compare(results("old", "A"), results("new", "B")))
    assert f"model: base of old{EVIL}" in Tags(html(page)).text
    assert "model: base of new&lt;script" in markdown(page)
    row = {"id": "1", "correct": True}
    old, new = (PredictionSet.from_rows(Header(name=name), [row]) for name in ("old", "new"))
    silent = comparison_page(compare(old, new))
    assert "What answered" not in html(silent) + markdown(silent)


def test_a_ribbon_is_as_high_as_its_share() -> None:
    # one of four samples each; 190 pixels less a gap of 14 for each of two sources leave 162, a quarter of it is 40.5.
    # Old's right answers begin at 7: kept ones go straight to 47.5, lost ones follow and end in the second target,
    # which begins a gap below the first (7 + 81 + 14 = 102)
    drawn = flow(flows(compare(results("old", "A", "A", "B", "B"), results("new", "A", "C", "A", "B"))).flows[0])
    shapes = dict(path for path in Tags(drawn).paths if path[0] != "hatched")
    assert shapes["both_right"] == "M106 7.0C240.0 7.0 240.0 7.0 374 7.0V47.5C240.0 47.5 240.0 47.5 106 47.5Z"
    assert shapes["regression"].startswith("M106 47.5C240.0 47.5 240.0 102.0 374 102.0V142.5")
    assert shapes["gain"].startswith("M106 102.0C240.0 102.0 240.0 47.5 374 47.5V88.0")
    assert shapes["both_wrong"].startswith("M106 142.5C")


def test_lost_answers_are_hatched_for_those_who_see_no_colour() -> None:
    drawn = flow(flows(compare(results("old", "A"), results("new", "B"))).flows[0])
    (lost,), (lines,) = ([d for kind, d in Tags(drawn).paths if kind == wanted] for wanted in ("regression", "hatched"))
    assert lost == lines


def test_estimates_of_a_chart_are_drawn_on_one_scale() -> None:
    # 162 pixels, from 4 on, for rates from 0 to the largest end, 0.5
    rows = [Whiskers([Estimate(0.2, 0.1, 0.5)]), Whiskers([Estimate(0.1, None, None)])]
    wide, narrow = marks(rows)
    assert 'd="M36.4 7.0H166.0"' in wide  # 4 + 162 * 0.2, 4 + 162
    assert 'cx="68.8"' in wide
    assert 'cx="36.4"' in narrow
    assert "H" not in narrow.partition("<circle")[2]  # no interval, no line


def test_worse_and_better_are_drawn_from_the_middle() -> None:
    lost, both = marks([Balance(4, 0), Balance(1, 2)])
    assert 'd="M85.0 1H0.0V13H85.0Z" class="regression"' in lost
    assert 'd="M85.0 1H63.8V13H85.0Z" class="regression"' in both
    assert 'd="M85.0 1H127.5V13H85.0Z" class="gain"' in both


@pytest.mark.parametrize("outcome", ["pass", "fail", "cannot tell", "error"])
def test_checks_beyond_the_first_are_folded(outcome: str) -> None:
    page = html(Page("gate", [], "", [Section("", [Checks([(f"check {i}", outcome, "why") for i in range(15)])])]))
    assert "<summary>3 more</summary>" in page
    assert Tags(page).text.count(outcome) == 15
