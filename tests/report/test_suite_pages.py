"""What a report of several tasks says: the account over all, one row a task, no claim beyond its interval."""

from __future__ import annotations

from stillright.comparison import SuiteComparison, compare_suite
from stillright.config.strict import parse
from stillright.config.suite import Suite
from stillright.report.html import html
from stillright.report.page import Page, Table
from stillright.report.suite_pages import suite_page
from suites import scores, verdicts

OLD = {"knots": "r" * 60 + "w" * 40, "ferries": "r" * 50 + "w" * 50}
WORSE = {"knots": "w" * 30 + "r" * 30 + "w" * 40, "ferries": "r" * 50 + "w" * 50}


def suite(new: dict[str, str], *candidates: dict[str, str], weights: tuple[float, float] = (1, 1)) -> SuiteComparison:
    tasks = [{"name": name, "weight": weight} for name, weight in zip(OLD, weights, strict=True)]
    old, now, *further = (
        {task: verdicts(name, right) for task, right in side.items()}
        for name, side in zip("onc", (OLD, new, *candidates), strict=False)
    )
    return compare_suite(old, now, further, suite=parse(Suite, {"tasks": tasks}, "suite"))


def rows(page: Page, title: str) -> dict[str, list[str]]:
    """The rows of the table in the section that begins with `title`, by their first cells, the head as "head"."""
    (section,) = (each for each in page.sections if each.title.startswith(title))
    (table,) = (block for block in section.blocks if isinstance(block, Table))
    return {"head": list(table.head), **{row[0]: list(row[1:]) for row in table.rows}}


def test_one_row_a_task_the_smallest_p_first() -> None:
    found = rows(suite_page(suite(WORSE)), "Tasks: n")
    assert list(found) == ["head", "knots", "ferries"]
    assert found["knots"][:3] == ["100", "60.00 %", "30.00 %"]
    assert found["knots"][4:6] == ["30", "0"]
    assert "weight" not in found["head"]


def test_the_account_over_all_beside_it() -> None:
    found = rows(suite_page(suite(WORSE, weights=(3, 1))), "Over all tasks")
    assert found["head"] == ["", "n, macro", "n, pooled"]
    assert [cell.split(" [")[0] for cell in found["negative flips (NFR)"]] == ["22.50 %", "15.00 %"]
    assert [cell.split(" [")[0] for cell in found["change in score (points)"]] == ["-22.50", "-15.00"]
    assert rows(suite_page(suite(WORSE, weights=(3, 1))), "Tasks: n")["ferries"][-1] == "25.00 %"


def test_sentences_claim_what_the_interval_shows() -> None:
    worse, same = suite_page(suite(WORSE)).summary, suite_page(suite(OLD)).summary
    assert worse[0].startswith("n is worse than o in the mean over tasks: score -15.00 [")
    assert worse[1] == "Of 2 tasks, 1 got clearly worse (knots) and 0 got clearly better (p < 0.05, Holm)."
    assert same[0].startswith("n shows no clear difference from o in the mean over tasks")


def test_a_candidate_is_compared_with_new() -> None:
    page = suite_page(suite(WORSE, OLD))
    assert page.summary[2].startswith("c loses fewer answers than n: NFR -15.00 [")
    assert rows(page, "Tasks: c")["knots"][:3] == ["100", "60.00 %", "60.00 %"]
    assert rows(page, "Over all tasks")["NFR, against new (points)"][:2] == ["-", "-"]


def test_the_note_names_what_is_no_part_of_it() -> None:
    note = suite_page(suite(WORSE, weights=(1, 0))).note
    assert "n = 200 in 2 tasks" in note
    assert "No part of the account over all: ferries." in note


def test_scores_on_their_own_scale() -> None:
    old, new = (
        {"a": scores(n, s, metric="m"), "b": scores(n, s, metric="m")}
        for n, s in (("o", [30.0] * 12), ("n", [33.0] * 12))
    )
    found = rows(suite_page(compare_suite(old, new)), "Over all tasks")
    assert found["score"][0].startswith("33.00 [")
    assert found["change in score"][0].startswith("+3.00 [")
    assert "NFR_mc (+ changed mistakes)" not in found


def test_names_of_tasks_are_text() -> None:
    tasks = {"<script>": verdicts("o", "rr" * 10)}
    page = suite_page(compare_suite(tasks, {"<script>": verdicts("n", "rw" * 10)}))
    assert "<script>" not in html(page)
