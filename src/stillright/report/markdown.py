"""Comparison -> Markdown, for a file or a CI summary."""

from __future__ import annotations

from stillright.comparison import Comparison
from stillright.report.glossary import glossary
from stillright.report.visible import visible
from stillright.report.words import (
    SLICE_HEAD,
    count_rows,
    metric_rows,
    models,
    movement_rows,
    power_line,
    samples_line,
    slice_rows,
    sources,
    verdicts,
)

EXAMPLES = 5
LONGEST = 300  # characters of a prompt or output shown


def cell(text: str | None) -> str:
    """`text` on one line, with anything Markdown or HTML would interpret made harmless."""
    folded = " ".join((text or "").split())
    return escaped(folded if len(folded) <= LONGEST else f"…{folded[-LONGEST:]}")


def escaped(text: str) -> str:
    """`text` with anything Markdown or HTML would interpret made harmless, and invisible controls made visible."""
    marks = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "&#92;", **{mark: f"\\{mark}" for mark in "|`*[]"}}
    return "".join(marks.get(character, character) for character in visible(text))


def table(head: list[str], rows: list[list[str]], align: str = "---:") -> str:
    """A Markdown table of cells as they are; the first column is text, the others numbers unless align is "---"."""
    lines = [head, ["---", *(align for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _escaped(rows: list[list[str]]) -> list[list[str]]:
    """Rows whose first cell may be a name from a file; the others are our own numbers."""
    return [[cell(label), *numbers] for label, *numbers in rows]


def _regressions(comparison: Comparison) -> str:
    rows = [[cell(r.id), cell(r.prompt), cell(r.old), cell(r.new)] for r in comparison.worst[:EXAMPLES]]
    if not rows:
        return "No answer was lost."
    return table(["id", "prompt", cell(comparison.old.name), cell(comparison.new.name)], rows, align="---")


def markdown(comparison: Comparison) -> str:
    """The whole report: verdicts, quadrants, metrics, slices, and some answers that were lost."""
    old, *after = [cell(name) for name in (comparison.old.name, *(name for name, _ in models(comparison)))]
    parts = [
        f"# {cell(comparison.task or 'Comparison')}: {old} → {after[0]}",
        "\n".join(f"- {escaped(line)}" for line in [*verdicts(comparison), power_line(comparison)] if line),
        f"{samples_line(comparison)}. Intervals are 95 %, of differences paired.",
        f"## Answers, compared with {old}",
        table(["", *after], count_rows(comparison)),
        "## Metrics",
        table(["", old, *after], _escaped(metric_rows(comparison))),
        "\n".join(f"- {escaped(label)}: {text}" for label, text in glossary(comparison)),
    ]
    if comparison.movement is not None:
        parts += ["## Likeness of old and new outputs (ROUGE-1)", table(["", "likeness"], movement_rows(comparison))]
    if comparison.slices:
        parts += ["## Slices", table(SLICE_HEAD, _escaped(slice_rows(comparison)))]
    parts += [f"## Answers that {after[0]} lost", _regressions(comparison)]
    if comparison.sources:
        origins = [f"- {cell(name)}: {escaped(text)}" for name, text in sources(comparison)]
        parts += ["## What answered", "\n".join(origins)]
    return "\n\n".join(parts) + "\n"
