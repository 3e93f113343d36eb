"""What report.html says and in which order: outcome, verdict and numbers first; pictures by hand; how it was made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from letters import COMPAT, NEW, OLD, continuous, discrete
from stillright.comparison import Comparison, compare
from stillright.config import Limit, Policy
from stillright.records import Header, PredictionSet
from stillright.report.made import Origin
from stillright.report.page import (
    Balance,
    Chart,
    Checks,
    Explorer,
    Flows,
    Headline,
    Lines,
    Page,
    Plane,
    Terms,
    Whiskers,
)
from stillright.report.report_page import gate_report_page, report_page
from stillright.stats import wilson
from stillright.verdict import Verdict, gate

Kind = TypeVar("Kind")


def page_of(comparison: Comparison) -> Page:
    return report_page(comparison, Origin(["compare", "old one.jsonl", "new.jsonl"]))


def blocks(page: Page, kind: type[Kind]) -> Iterator[Kind]:
    return (block for section in page.sections for block in section.blocks if isinstance(block, kind))


def of_letters() -> Comparison:
    return compare(discrete("old", OLD), discrete("new", NEW), [discrete("compat", COMPAT)])


def test_numbers_and_their_noise_stand_first() -> None:
    page = page_of(of_letters())
    first = page.sections[0].blocks[0]
    assert isinstance(first, Headline)
    labels = [row[0] for row in first.rows]
    assert labels[:4] == ["acc", "negative flips (NFR)", "noise floor (NFR of own reruns)", "positive flips (PFR)"]
    assert first.rows[2][1:] == ["not measured", "not measured", ""]
    again = compare(discrete("old", OLD), discrete("new", NEW), old_runs=[discrete("old", "BAAAABBC")])
    floor = page_of(again).sections[0].blocks[0]
    assert isinstance(floor, Headline)
    assert floor.rows[2][1].startswith("6.25 %")  # of two ordered pairs of runs one has one flip among 8


def test_flows_hold_every_sample() -> None:
    (drawn,) = blocks(page_of(of_letters()), Flows)
    new, compat = drawn.flows
    # old AAAAABBC, new AAABCAAB: three kept, two lost, two gained, one wrong in both
    assert [(each.part, each.source, each.target, each.text) for each in new.ribbons] == [
        ("both_right", 0, 0, "3 (37.50 %)"),
        ("gain", 1, 0, "2 (25.00 %)"),
        ("regression", 0, 1, "2 (25.00 %)"),
        ("both_wrong", 1, 1, "1 (12.50 %)"),
    ]
    assert sum(each.share for each in compat.ribbons) == 1


def test_candidates_stand_in_the_plane() -> None:
    (plane,) = blocks(page_of(of_letters()), Plane)
    assert plane.old.score.value == 5 / 8
    assert [(each.name, each.score.value, each.nfr.value) for each in plane.points] == [
        ("new", 5 / 8, 2 / 8),
        ("compat", 6 / 8, 1 / 8),
    ]
    assert not list(blocks(page_of(compare(discrete("old", OLD), discrete("new", NEW))), Plane))


def test_the_slice_that_lost_more_than_its_share_comes_first() -> None:
    # NFR is 2 of 8: "few" loses 1 of 1, 0.75 more than its share; "many" 1 of 7, 0.75 less
    kinds = ["many", "many", "many", "few", "many", "many", "many", "many"]
    old, new = (discrete(name, letters, kind=kinds) for name, letters in (("old", OLD), ("new", NEW)))
    (chart,) = blocks(page_of(compare(old, new, slices=["kind"])), Chart)
    assert [row.cells[:2] for row in chart.rows] == [["few", "1"], ["many", "7"]]


def test_lost_answers_lie_over_the_margin_of_old() -> None:
    # margins 0.01 to 0.60; new loses 0.01 and 0.02, compat 0.60
    old, new, compat = (
        PredictionSet.from_rows(
            Header(name=name),
            [{"id": str(i), "correct": i not in lost, "margin": (i + 1) / 100} for i in range(60)],
        )
        for name, lost in (("old", ()), ("new", (0, 1)), ("compat", (59,)))
    )
    page = page_of(compare(old, new, [compat]))
    (section,) = (section for section in page.sections if section.title == "NFR by old's margin")
    (chart,) = (block for block in section.blocks if isinstance(block, Chart))
    assert chart.head == [
        *("margin", "share lost, 95 %", "right in old"),
        *("lost (up to here), new", "lost (up to here), compat", "share lost, new", "share lost, compat"),
    ]
    assert [row.cells[:4] for row in chart.rows] == [
        ["0.01 to 0.3", "30", "2 (2)", "0 (0)"],
        ["0.31 to 0.6", "30", "0 (2)", "1 (1)"],
    ]
    assert [row.mark for row in chart.rows] == [
        Whiskers([wilson(2, 30), wilson(0, 30)]),
        Whiskers([wilson(0, 30), wilson(1, 30)]),
    ]
    (lines,) = (block for block in section.blocks if isinstance(block, Lines))
    assert lines.lines[1:3] == [
        "Lost by new: 2, of which 2 had a margin of at most 0.3, as have 30 of old's 60 right answers.",
        "Lost by compat: 1, of which 0 had a margin of at most 0.3, as have 30 of old's 60 right answers.",
    ]
    assert not [section for section in page_of(of_letters()).sections if section.title == "NFR by old's margin"]


def test_few_margins_are_one_bin_of_which_nothing_is_said() -> None:
    rows = [{"id": str(i), "correct": True, "margin": 0.5} for i in range(3)]
    old, new = (PredictionSet.from_rows(Header(name=name), rows) for name in ("old", "new"))
    page = page_of(compare(old, new))
    (section,) = (section for section in page.sections if section.title == "NFR by old's margin")
    assert isinstance(section.blocks[0], Lines)
    assert not [line for line in section.blocks[0].lines if "at most" in line]


def test_gains_and_losses_lie_over_the_score_of_old() -> None:
    # ten bins of 0.1 from 0 to 1; an end belongs to the bin that it begins, the last one to the last bin
    old, new = [0.0, 0.05, 0.95, 1.0, 0.55], [0.1, 0.0, 0.9, 0.5, 0.55]
    (chart,) = blocks(page_of(compare(continuous("old", old), continuous("new", new))), Chart)
    drawn = {row.cells[0]: row.mark for row in chart.rows}
    assert drawn["0 to 0.1"] == Balance(lost=1, gained=1)
    assert drawn["0.9 to 1"] == Balance(lost=2, gained=0)
    assert drawn["0.5 to 0.6"] == Balance(lost=0, gained=0)
    assert len(chart.rows) == 10


def test_samples_that_cannot_be_listed_are_not_missing_in_silence() -> None:
    runs = [continuous("old", [0.1, 0.4])]
    page = page_of(compare(continuous("old", [0.1, 0.2]), continuous("new", [0.3, 0.2]), old_runs=runs))
    assert not list(blocks(page, Explorer))
    assert any("old has 2 runs" in line for each in blocks(page, Lines) for line in each.lines)
    assert len(list(blocks(page_of(of_letters()), Explorer))) == 1


def test_a_gate_says_first_what_fails() -> None:
    policy = Policy(limits=(Limit(metric="pfr", max=0.99), Limit(metric="nfr", max=0.01)))
    verdict, comparison = gate(discrete("old", OLD), discrete("new", NEW), policy)
    page = gate_report_page(verdict, comparison, Origin(asked={"policy": {"min_n": 3}}))
    checks = page.sections[0].blocks[0]
    assert page.outcome == "fail"
    assert isinstance(checks, Checks)
    assert [outcome for _, outcome, _ in checks.rows] == ["fail", "pass", "pass"]
    kinds = [type(block) for block in page.sections[1].blocks]
    assert kinds == [Lines, Headline, Lines]
    assert ("policy", "min_n: 3") in [term for each in blocks(page, Terms) for term in each.meanings]
    alone = gate_report_page(Verdict.of_one("scored", "cannot tell", "why"), None, Origin())
    assert len(alone.sections) == 1


def test_a_report_says_how_it_was_made() -> None:
    *_, last = page_of(of_letters()).sections
    (terms,) = last.blocks
    assert isinstance(terms, Terms)
    found = dict(terms.meanings)
    assert found["command"] == "stillright compare 'old one.jsonl' new.jsonl"
    assert found["compared"].startswith("task: letters; metric: acc; answers: right or wrong")
    assert found["made by"].startswith("stillright ")
    assert found["date"].endswith(" UTC")
