"""The HTML report: one page, nothing that runs, and nothing of what a model says is interpreted."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from stillright.comparison import compare
from stillright.records import Header, PredictionSet
from stillright.report.html import html
from stillright.report.markdown import markdown
from stillright.report.pages import comparison_page

EVIL = '<script>alert(1)</script><img src=x onerror="alert(1)">'


class Tags(HTMLParser):
    """Counts tags, and collects attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


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
    assert "default-src 'none'" in html(page)


def test_reports_say_what_answered() -> None:
    page = comparison_page(compare(results("old", "A"), results("new", "B")))
    assert f"model: base of old{EVIL}" in Tags(html(page)).text
    assert "model: base of new&lt;script" in markdown(page)
    row = {"id": "1", "correct": True}
    old, new = (PredictionSet.from_rows(Header(name=name), [row]) for name in ("old", "new"))
    silent = comparison_page(compare(old, new))
    assert "What answered" not in html(silent) + markdown(silent)


def test_a_bar_is_as_wide_as_its_share() -> None:
    page = html(comparison_page(compare(results("old", "A", "A", "B", "B"), results("new", "A", "C", "A", "B"))))
    for kind in ("both_right", "gain", "both_wrong", "regression"):
        assert f'<span class="{kind}" style="width:25.0000%">' in page
