"""What was tried and what became of it: a row a part, and one line a fault with the seed that makes it again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

COUNTS = ("tried", "survived", "refused", "lost", "tracebacks", "wrong")
FAULTS = ("lost", "tracebacks", "wrong")
SHOWN = 40  # faults that are printed


@dataclass
class Tally:
    """Counts of one part.

    survived: the same command finished with the same result, or an input was read. refused: one line and exit code 2.
    lost: neither. wrong: another result was given for the right one.
    """

    part: str
    tried: int = 0
    survived: int = 0
    refused: int = 0
    lost: int = 0
    tracebacks: int = 0
    wrong: int = 0
    faults: list[str] = field(default_factory=list)
    cases: list[int] = field(default_factory=list)  # inputs that were read as something else
    interrupts: list[float] = field(default_factory=list)  # seconds from SIGINT to the end

    def note(self, outcome: str, what: str, times: int = 1) -> None:
        """Counts something tried; outcome: one of COUNTS but the first. A fault is kept with `what` was done."""
        self.tried += times
        setattr(self, outcome, getattr(self, outcome) + times)
        if outcome in FAULTS:
            self.faults.append(f"{self.part}: {outcome}: {what}")

    def add(self, other: Tally) -> None:
        """Counts what `other` counted too."""
        for name in (*COUNTS, "faults", "cases", "interrupts"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def failed(self) -> int:
        """How many were lost, or ended in a traceback or a wrong result."""
        return sum(getattr(self, name) for name in FAULTS)

    def values(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def table(tallies: Iterable[Tally]) -> str:
    """The counts, a line a part."""
    rows = [["", *COUNTS], *([tally.part, *(f"{getattr(tally, name):,}" for name in COUNTS)] for tally in tallies)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def faults(tallies: Iterable[Tally]) -> str:
    """The first faults, a line each."""
    found = [fault for tally in tallies for fault in tally.faults]
    return "\n".join([*found[:SHOWN], *([f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])])
