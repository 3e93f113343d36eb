"""Comparison -> Markdown, with the worst regressions as examples where the rows are at hand."""

from __future__ import annotations

from stillright.compare import Comparison
from stillright.records import PredictionSet, Row
from stillright.report.words import count_rows, metric_rows, models, verdicts

EXAMPLES = 5
LONGEST = 300  # characters of a prompt or output shown


def _cell(text: str) -> str:
    """`text` on one line, with what Markdown or HTML would interpret made harmless."""
    folded = " ".join(text.split())
    shortened = folded if len(folded) <= LONGEST else f"…{folded[-LONGEST:]}"
    for mark, harmless in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("`", "'")):
        shortened = shortened.replace(mark, harmless)
    return shortened


def markdown_table(head: list[str], rows: list[list[str]], align: str = "---:") -> str:
    """A Markdown table; the first column is text, the others are numbers unless `align` is "---"."""
    lines = [head, ["---", *(align for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _drop(old: Row, new: Row) -> float:
    if old.score is not None and new.score is not None:
        return old.score - new.score
    return float(bool(old.right)) - float(bool(new.right))


def _answer(row: Row) -> str:
    return _cell(row.output or row.prediction or "")


def _regressions(old: PredictionSet, new: PredictionSet) -> str:
    after = {row.id: row for row in new.rows}
    pairs = sorted(((row, after[row.id]) for row in old.rows), key=lambda pair: -_drop(*pair))
    worst = [(before, now) for before, now in pairs[:EXAMPLES] if _drop(before, now) > 0]
    rows = [[_cell(a.id), _cell(a.prompt or ""), _answer(a), _answer(b)] for a, b in worst]
    if not rows:
        return "No answer was lost."
    return markdown_table(["id", "prompt", old.header.name, new.header.name], rows, align="---")


def markdown(comparison: Comparison, old: PredictionSet, new: PredictionSet) -> str:
    """The whole report: verdicts, quadrants, metrics, and some answers that were lost."""
    after = [name for name, _ in models(comparison)]
    unscored = f" {comparison.unscored:,} samples are unscored." if comparison.unscored else ""
    parts = [
        f"# {comparison.task or 'Comparison'}: {comparison.old.name} → {comparison.new.name}",
        "\n".join(f"- {sentence}" for sentence in verdicts(comparison)),
        f"n = {comparison.n:,}.{unscored} Intervals are 95 %, of differences paired.",
        f"## Answers, compared with {comparison.old.name}",
        markdown_table(["", *after], count_rows(comparison)),
        "## Metrics",
        markdown_table(["", comparison.old.name, *after], metric_rows(comparison)),
        f"## Answers that {comparison.new.name} lost",
        _regressions(old, new),
    ]
    return "\n\n".join(parts) + "\n"
