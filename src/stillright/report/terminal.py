"""Page -> what people read on a terminal: title and summary, then the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table as Grid
from rich.text import Text

from stillright.report.controls import without_commands
from stillright.report.differences import LONGEST
from stillright.report.page import (
    Block,
    Chart,
    Checks,
    Explorer,
    Flows,
    Headline,
    Lines,
    LostAnswer,
    LostAnswers,
    Page,
    Plane,
    Table,
    Terms,
)

EXAMPLES = 3
UNBOUNDED = 10_000  # columns
STYLES = {"pass": "green", "fail": "bold red", "cannot tell": "yellow", "error": "bold red"}


def print_page(page: Page, console: Console) -> None:
    """Title and summary, the sections but for what is only drawn or to be looked up, and the note."""
    style = STYLES.get(page.outcome, "bold")
    for line in (page.title, *page.summary):
        console.print(_text(line, style), soft_wrap=bool(page.outcome))
    if page.summary:
        console.print()
    for section in page.sections:
        parts = [(part, isinstance(block, Checks)) for block in section.blocks for part in _block(block, console)]
        if parts and section.title:
            console.print(_text(section.title))
        for part, is_check in parts:
            console.print(part, soft_wrap=is_check)  # one line each, for logs
    if page.note:
        console.print(_text(page.note))


def _block(block: Block, console: Console) -> Iterable[RenderableType]:
    match block:
        case Lines(lines):
            return map(_text, lines)
        case Table(head, rows):
            return [_table(head, rows, console)]
        case Headline() | Flows() | Chart() | Plane() | Explorer() | Terms():  # in files alone
            return []
        case LostAnswers():
            return _lost_answers(block)
        case Checks(rows):
            return [_check(*row) for row in rows]


def _text(text: str, style: str = "") -> Text:
    """Plain, visible text: nothing from models and files is markup or a command to the terminal."""
    return Text(without_commands(text), style=style)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], console: Console) -> Grid:
    """With intervals on lines of their own where the console is too narrow for both."""
    wide = _grid(head, rows)
    if Measurement.get(console, console.options.update(max_width=UNBOUNDED), wide).maximum <= console.width:
        return wide
    return _grid(head, [[label, *(cell.replace(" [", "\n[") for cell in cells)] for label, *cells in rows])


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Grid:
    grid = Grid(header_style="bold")
    for i, name in enumerate(head):
        grid.add_column(_text(name), justify="right" if i else "left", overflow="fold")
    for label, *numbers in rows:
        grid.add_row(_text(label), *map(Text, numbers))
    return grid


def _check(name: str, outcome: str, reason: str) -> Text:
    return Text.assemble((f"{outcome:>11}  ", STYLES[outcome]), without_commands(" ".join(f"{name}: {reason}".split())))


def _lost_answers(lost: LostAnswers) -> Iterable[Text]:
    shown = lost.answers[:EXAMPLES]
    yield _text(f"{len(shown)} {lost.total}")
    for answer in shown:
        yield from _lost_answer(answer, lost)


def _lost_answer(answer: LostAnswer, lost: LostAnswers) -> Iterable[Text]:
    prompt = " ".join(answer.prompt.split())
    yield _text(f"  {answer.label}: {prompt[-LONGEST:]}".rstrip(": "), "dim")
    if answer.reference:
        yield _text(f"    {answer.reference[:LONGEST]}", "dim")
    for name, parts, style in ((lost.old, answer.old, "bold green"), (lost.new, answer.new, "bold red")):
        if parts is not None:
            marked = [_text(part.text, style if part.differs else "") for part in parts]
            yield Text(" ").join([_text(f"    {name}:"), *marked])
