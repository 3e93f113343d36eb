"""Page -> one HTML page that needs nothing else: no script, no font, no network.

Text from models and files is escaped, and a content-security policy forbids the page to load or run anything.
"""

from __future__ import annotations

import html as entities
from collections.abc import Iterable, Sequence

from stillright.report.controls import without_controls
from stillright.report.differences import Part
from stillright.report.page import Bars, Block, Checks, Lines, LostAnswer, LostAnswers, Page, Section, Table, Terms

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
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width"><style>{style}</style></head>
<body>
<h1>{title}</h1>"""


def html(page: Page) -> str:
    """The whole page."""
    head = HEAD.format(title=escape(page.title), style=STYLE)
    summary = _block(Lines([text for text in (*page.summary, page.note) if text]))
    return "\n".join([head, summary, *map(_section, page.sections), "</body></html>"]) + "\n"


def escape(text: str) -> str:
    """`text` without anything a browser would interpret, its control characters made visible."""
    return entities.escape(without_controls(text))


def _section(section: Section) -> str:
    title = [f"<h2>{escape(section.title)}</h2>"] if section.title else []
    return "\n".join([*title, *map(_block, section.blocks)])


def _block(block: Block) -> str:
    match block:
        case Lines(lines):
            return "".join(f"<p>{escape(line)}</p>" for line in lines)
        case Table(head, rows):
            return _table(head, rows)
        case Bars():
            return _bars(block)
        case Terms():
            return _terms(block)
        case LostAnswers(answers=answers, total=total):
            return "\n".join([f"<p>{len(answers)} {total}</p>", *(_lost_answer(each, block) for each in answers)])
        case Checks(rows):
            return _table(("check", "outcome", "reason"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["".join(f"<th>{escape(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    return "<table>\n" + "\n".join(f"<tr>{line}</tr>" for line in lines) + "\n</table>"


def _terms(terms: Terms) -> str:
    lines = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in terms.meanings)
    listed = f"<dl>{lines}</dl>"
    return f"<details><summary>{escape(terms.title)}</summary>{listed}</details>" if terms.title else listed


def _bars(bars: Bars) -> str:
    parts = []
    for name, shares in bars.shares:
        spans = "".join(f'<span class="{part}" style="width:{share:.4%}"></span>' for part, share in shares.items())
        parts.append(f'<div>{escape(name)}<div class="bar">{spans}</div></div>')
    keys = "".join(f'<span class="key {part}"></span>{escape(label)}' for part, label in bars.labels.items())
    return f"{''.join(parts)}<p>{keys}</p>"


def _lost_answer(answer: LostAnswer, lost: LostAnswers) -> str:
    lines = [f'<div class="prompt"><b>{escape(answer.label)}</b> {escape(answer.prompt)}</div>']
    lines += [f"<div>{escape(answer.reference)}</div>"] if answer.reference else []
    for name, parts, tag in ((lost.old, answer.old, "del"), (lost.new, answer.new, "ins")):
        if parts is not None:
            lines.append(f"<div>{escape(name)}: {_marked(parts, tag)}</div>")
    return f'<div class="answer">{"".join(lines)}</div>'


def _marked(parts: list[Part], tag: str) -> str:
    return " ".join(f"<{tag}>{escape(part.text)}</{tag}>" if part.differs else escape(part.text) for part in parts)
