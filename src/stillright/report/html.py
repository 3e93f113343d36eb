"""Page -> one HTML page that needs nothing else: no font, no network, no server.

Text from models and files is escaped. A content-security policy forbids the page to load anything and to run or style
by anything but what stands in `assets/`, by its digest; model output reaches the page's script as data alone.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stillright.report import svg
from stillright.report.controls import without_controls
from stillright.report.explorer import embedded
from stillright.report.page import (
    Block,
    Chart,
    Checks,
    Explorer,
    Flows,
    Headline,
    Lines,
    LostAnswers,
    Page,
    Plane,
    Table,
    Terms,
)

PARTS = Path(__file__).parent / "assets"
SCRIPTS = ("samples.js", "differences.js", "filters.js", "list.js", "choices.js", "sample.js", "explorer.js")
FEW = 12  # rows of a table that are shown before the rest is folded


def html(page: Page) -> str:
    """The whole page."""
    explores = any(isinstance(block, Explorer) for section in page.sections for block in section.blocks)
    style, script = _part("page.css"), "".join(map(_part, SCRIPTS)) if explores else ""
    policy = f"default-src 'none'; style-src {_digest(style)}; base-uri 'none'; form-action 'none'"
    policy += f"; script-src {_digest(script)}" if explores else ""
    template = _environment().get_template("page.html")
    return template.render(page=page, block=_block, policy=policy, style=Markup(style), script=Markup(script))  # noqa: S704


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")


def _digest(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    """Everything is escaped, with its control characters made visible, but for markup of our own."""
    return Environment(
        loader=FileSystemLoader(PARTS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: without_controls(value) if type(value) is str else value,
    )


def _block(block: Block) -> Markup:
    match block:
        case Lines(lines):
            return _filled("lines", lines)
        case Table(head, rows):
            return _filled("table", head, rows)
        case Headline(head, rows):
            return _filled("headline", head, rows)
        case Checks(rows):
            return _filled("checks", rows, FEW)
        case Terms(meanings, title):
            return _filled("terms", meanings, title)
        case LostAnswers():
            return _filled("lost_answers", block)
        case Flows() | Chart() | Plane() | Explorer():
            return _drawn(block)


def _drawn(block: Flows | Chart | Plane | Explorer) -> Markup:
    match block:
        case Flows(flows):
            return _filled("flows", flows, svg.flow, svg.swatch)
        case Chart():
            return _filled("chart", block, svg.marks([row.mark for row in block.rows]), FEW)
        case Plane():
            return _filled("plane", svg.plane(block))
        case Explorer():
            return _filled("explorer", block, Markup(embedded(block)))  # noqa: S704 base64


def _filled(macro: str, *values: Any) -> Markup:
    """What a macro of blocks.html makes of these values."""
    filled: Markup = getattr(_environment().get_template("blocks.html").module, macro)(*values)
    return filled
