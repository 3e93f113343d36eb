"""report.html in a real browser, offline: it filters, searches, links and exports, and hostile texts do nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from browsing import Visit, chromium, is_needed, lacking
from stillright.comparison import Comparison, compare
from stillright.records import Header, PredictionSet
from stillright.report.html import html
from stillright.report.made import Origin
from stillright.report.report_page import report_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

if lacking() and not is_needed():
    pytest.skip(lacking(), allow_module_level=True)

# right is A: new loses 3, 4, 5, gains 6, 7 and changes the mistakes 9 and 11; compat restores 3, 4 and newly loses 2
OLD, NEW, COMPAT = "AAAAAABBBBCC", "AAABCBAABCCB", "AABAABABBBCB"
EVIL = "</script><script>window.owned = 1</script><img src=x onerror='window.owned = 1'>\u202egnp.exe\u2066"


def results(name: str, letters: str, **more: Any) -> PredictionSet:
    rows = [
        {
            "id": f"s{i}",
            "prediction": letter,
            "output": f"the answer  is\n{letter}",
            "reference": "A",
            "prompt": f"question {i}: what?",
            "kind": "odd" if i % 2 else "even",
            **more,
        }
        for i, letter in enumerate(letters)
    ]
    return PredictionSet.from_rows(Header(name=name, task="letters"), rows)


def scores(name: str, *values: float) -> PredictionSet:
    rows = [{"id": f"s{i}", "score": value, "output": name, "prompt": "?"} for i, value in enumerate(values)]
    return PredictionSet.from_rows(Header(name=name, metric="rouge1", kind="continuous"), rows)


def of_answers() -> Comparison:
    return compare(results("before", OLD), results("after", NEW), [results("compat", COMPAT)], slices=["kind"])


def of_scores() -> Comparison:
    return compare(scores("old", 0.5, 0.9, 0.2), scores("new", 0.4, 0.3, 0.6), [scores("c", 0.5, 0.5, 0.5)])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert not lacking(), lacking()
    with chromium() as browser:
        yield browser


def written(comparison: Comparison, folder: Path) -> Path:
    file = folder / "report.html"
    file.write_text(html(report_page(comparison, Origin(["compare", "a", "b"]))), encoding="utf-8")
    return file


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Visit]:
    """The report on right and wrong answers."""
    visit = Visit(browser, written(of_answers(), tmp_path)).ready()
    yield visit
    assert visit.said == []


def of_margins() -> Comparison:
    """Sixty choices in two bins."""
    models = [
        PredictionSet.from_rows(
            Header(name=name), [{"id": f"s{i}", "correct": i not in lost, "margin": i / 4} for i in range(60)]
        )
        for name, lost in (("before", ()), ("after", (1, 2)), ("compat", (1,)))
    ]
    return compare(models[0], models[1], models[2:])


@pytest.mark.parametrize(
    ("comparison", "scheme"),
    [(of_answers, "light"), (of_answers, "dark"), (of_scores, "dark"), (of_margins, "light"), (of_margins, "dark")],
)
def test_everyone_can_read_it_offline_and_it_complains_of_nothing(
    browser: Browser, tmp_path: Path, comparison: Any, scheme: Any
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    file, narrow = written(comparison(), tmp_path), {"width": 500, "height": 800}
    visit = Visit(browser, file, color_scheme=scheme, viewport=narrow).ready()
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 500
    visit.page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    found = Axe().run(visit.page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")] == []
    assert visit.said == []


def test_it_opens_at_the_lost_answers(visit: Visit) -> None:
    assert visit.page.inner_text("h1") == "letters: before → after"
    assert visit.page.inner_text(".verdict >> nth=0").startswith("after shows no clear difference from before")
    visit.lists("s3", "s4", "s5")
    assert "question 3: what?" in visit.page.inner_text("#sample")


def test_it_filters_by_model_quadrant_and_slice(visit: Visit) -> None:
    page = visit.page
    page.check("text=gained (2)")
    visit.count("5 of 12 samples")
    page.uncheck("text=lost (3)")
    page.uncheck("text=gained (2)")
    visit.count("12 of 12 samples")
    page.select_option("#model", label="compat")
    page.check("text=restored (2)")
    visit.count("2 of 12 samples")
    visit.lists("s3", "s4")
    page.select_option("select[data-column=slice_kind]", "even")
    visit.count("1 of 12 samples")
    visit.lists("s4")
    page.select_option("#model", label="after")  # which restores nothing
    visit.count("6 of 12 samples")


def test_it_finds_texts_and_expressions(visit: Visit) -> None:
    page = visit.page
    page.uncheck("text=lost (3)")
    page.fill("#query", "QUESTION 1")
    visit.count("3 of 12 samples")
    visit.lists("s1", "s10", "s11")
    page.check("#regex")
    page.fill("#query", "question (1|7):")
    visit.count("2 of 12 samples")
    page.fill("#query", "question (")
    visit.count("0 of 12 samples")
    assert "Invalid regular expression" in page.inner_text("#problem")
    assert page.is_disabled("#export")
    page.fill("#query", "is\\nC$")  # in any column
    visit.count("4 of 12 samples")


def test_arrow_keys_move_and_words_that_differ_are_marked(visit: Visit) -> None:
    page = visit.page
    page.focus("#list")
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#sample h3") == "s4"
    assert page.get_attribute("#list", "aria-activedescendant") == "row-1"
    old, new, compat = (page.locator(".sides .text").nth(i) for i in range(3))
    assert old.evaluate("(text) => text.textContent") == "the answer  is\nA"
    assert new.locator("ins").all_inner_texts() == ["C"]
    assert old.locator("del").all_inner_texts() == ["A"]
    assert compat.locator("ins").count() == 0
    assert new.evaluate("(text) => getComputedStyle(text).whiteSpaceCollapse") == "preserve"
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#sample h3") == "s5"


def test_its_address_opens_the_same_view(visit: Visit, browser: Browser, tmp_path: Path) -> None:
    page = visit.page
    page.select_option("#model", label="compat")
    page.check("text=kept (4)")
    page.fill("#query", "question")
    page.select_option("#sort", "id")
    page.select_option("select[data-column=slice_kind]", "odd")
    page.wait_for_function("() => document.querySelector('.row').textContent.includes('s1')")  # of three, as before
    page.click(".row >> nth=1")
    page.wait_for_function("() => location.hash.includes('id=s3') && location.hash.includes('odd')")
    link = page.evaluate("location.hash")
    again = Visit(browser, tmp_path / "report.html", link).ready()
    for each in (visit, again):
        each.lists("s1", "s3", "s5")
    assert again.page.inner_text("#sample h3") == "s3"
    assert again.page.input_value("#query") == "question"
    assert again.page.is_checked("#quadrants input[value=kept]")


def test_it_exports_what_it_lists(visit: Visit) -> None:
    with visit.page.expect_download() as waiting:
        visit.page.click("#export")
    rows = [json.loads(line) for line in Path(waiting.value.path()).read_text(encoding="utf-8").splitlines()]
    known = of_answers().flips("lost").filter(pl.col("new_quadrant") == "lost").to_dicts()
    assert [row["id"] for row in rows] == ["s3", "s4", "s5"]
    for row, expected in zip(rows, known, strict=True):
        assert row == {name: expected[name] for name in row}


def test_scores_are_sorted_by_loss(browser: Browser, tmp_path: Path) -> None:
    visit = Visit(browser, written(of_scores(), tmp_path)).ready()
    visit.lists("s0", "s1")  # new loses 0.1 and 0.6
    visit.page.select_option("#sort", "loss")
    visit.page.wait_for_function("() => document.querySelector('.row').textContent.includes('s1')")
    visit.lists("s1", "s0")
    assert visit.page.inner_text("#sample h3") == "s0"  # the sample that was read stays


def chosen(name: str, number: int, logs: list[float] | None, **more: Any) -> PredictionSet:
    """One sample with three choices, of which the second is right and one is hostile."""
    texts = ["red", "blue\n sky", EVIL]
    row = {"id": "x", "prediction": str(number), "reference": "1", "choices": 3, "choice_texts": texts}
    return PredictionSet.from_rows(Header(name=name), [{**row, "loglikelihoods": logs, **more}])


def test_choices_stand_beside_what_each_model_gave_them(browser: Browser, tmp_path: Path) -> None:
    old = chosen("before", 1, None)  # a log that only says what it chose
    new = chosen("after", 0, [-0.5, -2.25, -1000.123456], margin=-1.75)
    visit = Visit(browser, written(compare(old, new, [chosen("compat", 2, [-3.0, -2.0, -1.0])]), tmp_path)).ready()
    page = visit.page
    rows = [row.split("\t") for row in page.locator("#sample table tr").all_inner_texts()]
    assert rows[0] == ["choice", "before", "after", "compat"]
    assert rows[1] == ["red", "", "-0.5 chosen", "-3"]
    assert rows[3][1:] == ["", "-1000.12", "-1 chosen"]
    right = page.locator("#sample tbody tr").nth(1)
    assert right.locator("th").evaluate("(cell) => cell.textContent") == "blue\n sky right"
    assert right.locator("td").all_inner_texts() == ["chosen", "-2.25", "-2"]
    assert "margin: -1.75" in page.inner_text(".sides")
    assert (page.evaluate("window.owned"), page.locator("img").count()) == (None, 0)
    assert "\u202e" not in page.inner_text("#sample")
    page.uncheck("text=lost (1)")
    page.fill("#query", "BLUE")
    visit.count("1 of 1 samples")
    page.fill("#query", "green")
    visit.count("0 of 1 samples")
    assert visit.said == []


def test_a_sample_without_choices_has_no_table_of_them(visit: Visit) -> None:
    assert visit.page.locator("#sample table").count() == 0


def test_hostile_texts_are_text(browser: Browser, tmp_path: Path) -> None:
    huge = {"output": EVIL + "x" * 10_000_000, "prompt": EVIL, "kind": EVIL}
    old, new = results(f"old {EVIL}", "AA", **huge), results(f"new {EVIL}", "BA", **huge)
    visit = Visit(browser, written(compare(old, new, slices=["kind"]), tmp_path)).ready()
    page = visit.page
    assert (tmp_path / "report.html").stat().st_size < 1_000_000
    visit.lists("s0")
    assert page.evaluate("window.owned") is None
    assert page.locator("img").count() == 0
    shown = page.inner_text("#sample")
    assert "</script><script>window.owned = 1</script><img src=x" in shown
    assert "\u202e" not in page.inner_text("body")
    assert "\ufffdgnp.exe" in shown
    assert "[10000 of 10000089 characters]" in page.locator(".sides .text").nth(1).inner_text()
    assert "Texts of more than 10,000 characters are cut" in page.inner_text("body")
    assert visit.said == []


def test_of_many_samples_only_those_in_sight_are_drawn(browser: Browser, tmp_path: Path) -> None:
    visit = Visit(
        browser, written(compare(results("old", "A" * 20_000), results("new", "B" * 20_000)), tmp_path)
    ).ready()
    visit.count("20,000 of 20,000 samples")
    visit.page.focus("#list")
    visit.page.keyboard.press("End")
    assert visit.page.inner_text("#sample h3") == "s19999"
    assert visit.ids()[-1] == "s19999"
    assert len(visit.ids()) < 60


def test_without_scripts_there_are_verdict_numbers_and_lost_answers(browser: Browser, tmp_path: Path) -> None:
    visit = Visit(browser, written(of_answers(), tmp_path), java_script_enabled=False)
    page = visit.page
    assert page.inner_text(".headline").count("%") >= 8
    assert page.is_hidden("#explorer")
    assert "This list needs scripts" in page.inner_text("main")
    page.click("text=Answers that after lost")
    assert "3 of 3" in page.inner_text("main")
    assert visit.said == []
