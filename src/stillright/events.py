"""What a command says while it works: lines for people or, with --log json, one JSON object a line for programs.

`say` is given both: the line, and the event with its fields. Knows nothing of what is said.
"""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TextIO

if TYPE_CHECKING:
    from rich.console import Console

Level = Literal["info", "warning", "error"]
LEVELS: tuple[Level, Level] = ("info", "warning")  # of what libraries print on standard output and standard error


class JsonLines(io.TextIOBase):
    """A stream of JSON objects, one a line, whoever prints to it: what is no event of ours is one called "output"."""

    def __init__(self, stream: TextIO, level: Level) -> None:
        self.stream = stream
        self.level = level  # of "output"
        self._begun = ""  # a line without its end

    def event(self, event: str, level: Level, message: str, **fields: Any) -> None:
        """Writes one object: time (UTC), level, event, message, then the fields; a number that is none is null."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        numbers = {name: None if _is_no_number(value) else value for name, value in fields.items()}
        said = {"time": time, "level": level, "event": event, "message": message, **numbers}
        self.stream.write(json.dumps(said, default=str) + "\n")  # ASCII, which every stream can hold
        self.stream.flush()

    def write(self, text: str) -> int:
        """Lines of code that knows no events."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._output(line)
        return len(text)

    def end(self) -> None:
        """Writes a line that was begun and not ended."""
        self._output(self._begun)
        self._begun = ""

    def _output(self, line: str) -> None:
        shown = line.rstrip().rpartition("\r")[-1].strip()  # of a bar that is drawn again and again, its last state
        if shown:
            self.event("output", self.level, shown)

    def flush(self) -> None:
        self.stream.flush()

    def fileno(self) -> int:
        return self.stream.fileno()

    def close(self) -> None:
        """Nothing: the stream belongs to someone else."""


def _is_no_number(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


@contextmanager
def json_streams() -> Iterator[None]:
    """Standard output and standard error hold JSON objects alone within."""
    usual = sys.stdout, sys.stderr
    out, err = (JsonLines(stream, level) if stream else None for stream, level in zip(usual, LEVELS, strict=True))
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        sys.stdout, sys.stderr = usual
        for lines in (out, err):
            if lines is not None:
                lines.end()


def for_programs(console: Console) -> JsonLines | None:
    """Where events for programs go; None where people read, or nobody does."""
    return console.file if isinstance(console.file, JsonLines) and not console.quiet else None


def say(
    console: Console, line: str, event: str, level: Level = "info", *, soft_wrap: bool = False, **fields: Any
) -> None:
    """Prints `line` or, for programs, the event whose message it is."""
    if (log := for_programs(console)) is not None:
        log.event(event, level, line.strip(), **fields)
        return
    style = "yellow" if level == "warning" else None
    console.print(line, style=style, highlight=False, markup=False, soft_wrap=soft_wrap)


def complain(prefix: str, message: str, event: str, **fields: Any) -> None:
    """Prints one line on standard error, after `prefix`, or for programs the event."""
    if isinstance(sys.stderr, JsonLines):
        sys.stderr.event(event, "error", message, **fields)
    else:
        print(f"{prefix}{message}", file=sys.stderr, flush=True)
