"""What a run's report says of the search that made its compat adapter."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import Any

from rich.console import Console

from stillright.report.html import html
from stillright.report.markdown import markdown
from stillright.report.page import Lines, Page, Table
from stillright.report.search import search_section
from stillright.report.terminal import print_page

NOTHING = {"value": 0.0, "low": -0.004, "high": 0.004}
FEWER = {"value": -0.02, "low": -0.031, "high": -0.011}
UNDEFINED = {"value": None, "low": None, "high": None}
FOLLOWS = {
    "slope": {"value": 0.66, "low": 0.6, "high": 0.72},
    "correlation": UNDEFINED,
    "r2": {"value": 0.744, "low": None, "high": None},
    "n": 9,
}
ACCOUNT: dict[str, Any] = {
    "mixture": {"old": 0.7, "labels": 0.1},
    "reason": "NFR 2.00% instead of 4.00%",
    "tried": [
        {"mixture": {}, "accuracy": 0.4, "nfr": 0.04, "nfr_against_new": NOTHING, "imitation": None},
        {
            "mixture": {"old": 0.7, "labels": 0.1},
            "accuracy": 0.41,
            "nfr": 0.02,
            "nfr_against_new": FEWER,
            "imitation": FOLLOWS,
        },
    ],
}


def parts(account: dict[str, Any]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """The sentences, and the rows of the table."""
    lines, table, _ = search_section(account).blocks
    assert isinstance(lines, Lines)
    assert isinstance(table, Table)
    return lines.lines, table.rows


def test_every_mixture_is_a_row_and_the_taken_one_is_marked() -> None:
    measured = ("0.66 [0.60, 0.72]", "", "0.74 [too few]")
    lines, rows = parts(ACCOUNT)
    assert lines == ["0.7 old + 0.1 labels: NFR 2.00% instead of 4.00%"]
    assert rows == [
        ["new", "40.00%", "4.00%", "+0.00 [-0.40, +0.40]", "", "", ""],
        [*("0.7 old + 0.1 labels (taken)", "41.00%", "2.00%", "-2.00 [-3.10, -1.10]"), *measured],
    ]


def test_an_account_without_intervals_shows_what_it_has() -> None:
    """As those of earlier searches."""
    new, taken = ACCOUNT["tried"]
    earlier = taken | {"imitation": {"slope": 0.66, "correlation": None, "r2": 0.744}}
    _, rows = parts(ACCOUNT | {"tried": [new, earlier]})
    assert rows[1][4:] == ["0.66", "", "0.74"]


def test_why_old_could_not_be_followed() -> None:
    lines, _ = parts(ACCOUNT | {"not_followed": "other layers"})
    assert lines[1:] == ["Old's weights could not be followed: other layers"]


def test_every_writer_shows_it() -> None:
    page, console = Page("run", [], "", [search_section(ACCOUNT)]), Console(width=200, file=StringIO())
    with console.capture() as capture:
        print_page(page, console)
    for text in (capture.get(), markdown(page), html(page)):
        assert "What compat is made of" in text
        assert "0.7 old + 0.1 labels (taken)" in text


def test_where_nothing_helps_new_is_named() -> None:
    account = {**ACCOUNT, "mixture": {}, "reason": "none of 8 tried loses fewer answers"}
    lines, rows = parts(account)
    assert lines == ["new: none of 8 tried loses fewer answers"]
    assert rows[0][0] == "new (taken)"
