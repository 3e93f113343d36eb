"""Comparison -> one HTML page that needs nothing else: no script, no font, no network.

Text from models and files is escaped, and a content-security policy forbids the page to load or run anything.
"""

from __future__ import annotations

import html as entities

from stillright.comparison import Comparison
from stillright.comparison.examples import Regression
from stillright.report.differences import Part, differing_words
from stillright.report.glossary import glossary
from stillright.report.visible import visible
from stillright.report.words import (
    COUNTS,
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

STYLE = """
:root { color-scheme: light dark; --good: #2e7d32; --bad: #c62828; --kept: #9aa7b1; --grey: #d5dade; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
td { font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #8884; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; }
.bar { display: flex; height: 1.2rem; border-radius: 4px; overflow: hidden; margin: .2rem 0 .8rem; }
.both_right, .unchanged { background: var(--kept); } .both_wrong { background: var(--grey); }
.gain { background: var(--good); } .regression { background: var(--bad); }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin: 0 .3rem 0 .8rem; }
.answer { border-left: 3px solid #8884; padding: .1rem .8rem; margin: 1rem 0; overflow-wrap: anywhere; }
dd { overflow-wrap: anywhere; }
.prompt { opacity: .75; } del, ins { text-decoration: none; font-weight: 600; }
del { color: var(--good); } ins { color: var(--bad); }
"""
HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width"><style>{style}</style></head>
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html(comparison: Comparison) -> str:
    """The whole report: verdicts, a bar and the counts of each model, metrics, slices, worst regressions, sources."""
    old, after = comparison.old.name, [name for name, _ in models(comparison)]
    title = f"{comparison.task or 'Comparison'}: {old} → {after[0]}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        "".join(f"<p>{escape(line)}</p>" for line in (*verdicts(comparison), power_line(comparison)) if line),
        f"<p>{escape(samples_line(comparison))}. Intervals are 95 %, of differences paired.</p>",
        f"<h2>Answers, compared with {escape(old)}</h2>",
        _bars(comparison),
        _table(["", *after], count_rows(comparison)),
        "<h2>Metrics</h2>",
        _table(["", old, *after], metric_rows(comparison)),
        _glossary(comparison),
    ]
    if comparison.movement is not None:
        parts += ["<h2>How alike old and new outputs are (ROUGE-1)</h2>", _table(["", ""], movement_rows(comparison))]
    if comparison.slices:
        parts += ["<h2>Slices</h2>", _table(SLICE_HEAD, slice_rows(comparison))]
    parts += [f"<h2>Answers that {escape(after[0])} lost</h2>", _regressions(comparison)]
    if comparison.sources:
        parts += ["<h2>What answered</h2>", _terms(sources(comparison))]
    return _page(title, "\n".join(parts))


def escape(text: str) -> str:
    """`text` without anything a browser would interpret, its invisible controls made visible."""
    return entities.escape(visible(text))


def _page(title: str, body: str) -> str:
    head = HEAD.format(title=escape(title), policy=POLICY, style=STYLE)
    return f"{head}<body>\n{body}\n</body></html>\n"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["".join(f"<th>{escape(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    return "<table>\n" + "\n".join(f"<tr>{line}</tr>" for line in lines) + "\n</table>"


def _glossary(comparison: Comparison) -> str:
    return f"<details><summary>What these mean</summary>{_terms(glossary(comparison))}</details>"


def _terms(pairs: list[tuple[str, str]]) -> str:
    lines = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in pairs)
    return f"<dl>{lines}</dl>"


def _bars(comparison: Comparison) -> str:
    """One bar per model, whose parts are as wide as their share of the samples."""
    kinds = [kind for kind in COUNTS if getattr(comparison.comparison, kind) is not None]
    bars = []
    for name, flips in models(comparison):
        shares = {kind: getattr(flips, kind) / comparison.n for kind in kinds}
        spans = "".join(f'<span class="{kind}" style="width:{share:.4%}"></span>' for kind, share in shares.items())
        bars.append(f'<div>{escape(name)}<div class="bar">{spans}</div></div>')
    keys = "".join(f'<span class="key {kind}"></span>{COUNTS[kind]}' for kind in kinds)
    return f"{''.join(bars)}<p>{keys}</p>"


def _regressions(comparison: Comparison) -> str:
    if not comparison.worst:
        return "<p>No answer was lost.</p>"
    return "\n".join(_regression(regression, comparison) for regression in comparison.worst)


def _regression(regression: Regression, comparison: Comparison) -> str:
    old, new = differing_words(regression.old or "", regression.new or "")
    right = f"<div>right: {escape(' | '.join(regression.reference))}</div>" if regression.reference else ""
    prompt = f"<b>{escape(regression.id)}</b> {escape(regression.prompt or '')}"
    return (
        f'<div class="answer"><div class="prompt">{prompt}</div>{right}'
        f"<div>{escape(comparison.old.name)}: {_marked(old, 'del')}</div>"
        f"<div>{escape(comparison.new.name)}: {_marked(new, 'ins')}</div></div>"
    )


def _marked(parts: list[Part], tag: str) -> str:
    return " ".join(f"<{tag}>{escape(part.text)}</{tag}>" if part.differs else escape(part.text) for part in parts)
