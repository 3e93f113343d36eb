"""What a page says, and that every writer shows it: lost answers, gates, nothing lost."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from stillright.comparison import compare
from stillright.config import Limit, Policy
from stillright.records import Header, PredictionSet
from stillright.report.html import html
from stillright.report.markdown import markdown
from stillright.report.page import Page
from stillright.report.pages import comparison_page, gate_page, verdict_page
from stillright.report.terminal import print_page
from stillright.verdict import gate
from tags import Tags


def results(name: str, rows: list[dict[str, Any]]) -> PredictionSet:
    return PredictionSet.from_rows(Header(name=name), [{"id": f"s{i}", **row} for i, row in enumerate(rows)])


def answers(name: str, predictions: str) -> PredictionSet:
    return results(name, [{"prediction": letter, "reference": "A", "prompt": "?"} for letter in predictions])


def scores(name: str, *values: float) -> PredictionSet:
    return results(name, [{"score": value, "output": "a b", "reference": "a"} for value in values])


def terminal(page: Page) -> str:
    console = Console(width=240, file=StringIO())
    with console.capture() as capture:
        print_page(page, console)
    return capture.get()


def read(page: Page) -> str:
    """What a reader of the HTML page sees."""
    return Tags(html(page)).text


WRITERS = [terminal, markdown, read]


@pytest.mark.parametrize("write", WRITERS)
def test_a_lost_answer_stands_between_both_models(write: Any) -> None:
    page = write(comparison_page(compare(answers("before", "AAAB"), answers("after", "ACAB"))))
    assert "Answers that after lost" in page
    assert "1 of 1" in page
    assert "s1" in page


@pytest.mark.parametrize(("write", "shown"), [(terminal, 3), (markdown, 5), (read, 10)])
def test_an_excerpt_says_of_how_many_it_is(write: Any, shown: int) -> None:
    old, new, again = answers("old", "A" * 1200), answers("new", "B" * 1200), answers("again", "A" * 1200)
    assert f"{shown} of 1,200, drawn with a fixed seed" in write(comparison_page(compare(old, new)))
    with_runs = write(comparison_page(compare(old, new, new_runs=[again])))
    assert f"{shown} of 1,200 between the first runs, drawn with a fixed seed" in with_runs
    ranked = write(
        comparison_page(compare(scores("old", *[0.5] * 1200), scores("new", *(i / 4000 for i in range(1200)))))
    )
    assert f"{shown} of 1,200" in ranked
    assert "drawn" not in ranked


@pytest.mark.parametrize("write", WRITERS)
def test_too_few_stands_in_place_of_an_interval(write: Any) -> None:
    page = write(comparison_page(compare(scores("old", *[0.5] * 50), scores("new", *[0.3] * 9, *[0.5] * 41))))
    assert "20.00 % [too few]" in page  # the mean regression
    assert "Too few: a mean of fewer than 10 samples has no interval." in page
    page = write(comparison_page(compare(scores("old", *[0.5] * 50), scores("new", *[0.3] * 10, *[0.5] * 40))))
    assert "too few" not in page.lower()


@pytest.mark.parametrize("write", WRITERS)
def test_a_drop_stands_on_the_scale_of_the_scores(write: Any) -> None:
    page = write(comparison_page(compare(scores("old", 9.0, 5.0), scores("new", 4.0, 5.0))))
    assert "s0 (score -5.00)" in page
    page = write(comparison_page(compare(scores("old", 0.9, 0.5), scores("new", 0.4, 0.5))))
    assert "s0 (score -50.00 points)" in page


@pytest.mark.parametrize("write", WRITERS)
def test_a_candidate_stands_beside_what_it_restores(write: Any) -> None:
    page = write(comparison_page(compare(answers("old", "AAAB"), answers("new", "ACCB"), [answers("compat", "CACB")])))
    assert "it restores 1 of the 2 lost answers and newly loses 1." in page
    assert "answers newly lost, against new" in page


@pytest.mark.parametrize("write", WRITERS)
def test_nothing_lost_is_said_only_of_what_was_seen(write: Any) -> None:
    old, new, again = answers("old", "AB"), answers("new", "AB"), answers("new", "BB")
    assert "No answer was lost." in write(comparison_page(compare(old, new)))
    assert "No answer was lost between the first runs." in write(comparison_page(compare(old, new, new_runs=[again])))


@pytest.mark.parametrize("write", WRITERS)
def test_verdicts_without_texts_are_named(write: Any) -> None:
    old, new = results("old", [{"correct": True}] * 2), results("new", [{"correct": True}, {"correct": False}])
    _, _, lost = write(comparison_page(compare(old, new))).partition("Answers that new lost")
    assert "s1" in lost
    assert "new: " not in lost  # of texts nothing is known


@pytest.mark.parametrize("write", WRITERS)
def test_a_gate_is_a_page_like_any_other(write: Any) -> None:
    policy = Policy(limits=(Limit(metric="nfr", max=0.01),))
    verdict, comparison = gate(answers("old", "A" * 50), answers("new", "A" * 49 + "C"), policy)
    alone, whole = write(verdict_page(verdict)), write(gate_page(verdict, comparison))
    for page in (alone, whole):
        assert "gate: fail (1 pass, 1 fail)" in page
        assert "is not" in page
    assert "Answers that new lost" in whole
    assert "Answers that new lost" not in alone


def test_a_terminal_says_first_what_came_of_it() -> None:
    lines = terminal(comparison_page(compare(answers("old", "AAB"), answers("new", "ABA")))).strip().splitlines()
    assert lines[0] == "Comparison: old → new"
    assert lines[1].startswith("new shows no clear difference from old on average: score +0.00")
    assert lines[-1].startswith("n = 3. Intervals are 95 %")
