"""What a search for the compat adapter tried -> a section of the run's report. Reads its account, search.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stillright.report import words
from stillright.report.page import Lines, Section, Table, Terms
from stillright.stats import Estimate

HEAD = ("tried on validation samples", "accuracy", "NFR", "NFR, against new", "slope", "correlation", "R²")
MEANINGS = [
    ("old", "a share of what old's weights have and new's lack"),
    ("labels", "a share of what further training on the right answers adds to new"),
    (
        "slope, correlation, R²",
        "how well old is followed, over margins of the right answer: their change from new against what leads to old; "
        "R² is 1 where the model answers as old does, and 0 where it answers as new",
    ),
]


def search_section(account: Mapping[str, Any]) -> Section:
    """Every mixture in the order tried, new first, and which was taken and why."""
    rows = [_row(tried, tried["mixture"] == account["mixture"]) for tried in account["tried"]]
    said = [taken(account)]
    if reason := account.get("not_followed"):
        said.append(f"Old's weights could not be followed: {reason}")
    meanings = Terms(MEANINGS, "What these mean")
    return Section("What compat is made of", [Lines(said), Table(HEAD, rows), meanings])


def taken(account: Mapping[str, Any]) -> str:
    """Which mixture was taken, and why."""
    return f"{_name(account['mixture'])}: {account['reason']}"


def _row(tried: Mapping[str, Any], is_taken: bool) -> list[str]:
    follows = tried["imitation"] or {}
    values = [_shown(follows.get(name)) for name in ("slope", "correlation", "r2")]
    return [
        f"{_name(tried['mixture'])}{' (taken)' if is_taken else ''}",
        f"{tried['accuracy']:.2%}",
        f"{tried['nfr']:.2%}",
        words.points(Estimate(**tried["nfr_against_new"])),
        *values,
    ]


def _shown(found: Mapping[str, float | None] | float | None) -> str:
    """A value with its interval; accounts of earlier searches have the value alone."""
    if isinstance(found, float):
        return f"{found:.2f}"
    return "" if found is None or found["value"] is None else Estimate(**found).shown()


def _name(mixture: Mapping[str, float]) -> str:
    return " + ".join(f"{step:g} {name}" for name, step in mixture.items()) or "new"
