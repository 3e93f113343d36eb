"""Which differences between files may be allowed by name, and what becomes of those that are found.

Knows no tables: whoever finds a difference says under which name it may be allowed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from stillright.errors import ConfigError, DataError, did_you_mean, spelled

NAMES = {
    "identical": "old and new are one run",
    "prompt": "how the question is put: prompt, examples, system instruction, chat template",
    "task": "name, version and arguments of the task, and documents whose prompts agree",
    "generation": "all other settings: how answers are generated",
}


class Difference(NamedTuple):
    """Something in which files differ: the name that allows it, what differs, and the rule that this breaks."""

    name: str
    what: str
    rule: str


def refuse_unknown_names(names: Collection[str]) -> None:
    """Raises ConfigError for a name that is not in NAMES."""
    for name in names:
        if name not in NAMES:
            hint = did_you_mean(name, NAMES) or f"there are {', '.join(NAMES)}"
            given = spelled(command=f"--allow {name}", python=f"allow=[{name!r}]")
            raise ConfigError(f"{given}: no such difference can be allowed; {hint}")


def allowed(differences: Iterable[Difference], names: Collection[str]) -> tuple[str, ...]:
    """What differs, all of it allowed by one of `names`. Raises DataError for the first difference that is not."""
    found = []
    for difference in differences:
        if difference.name not in names:
            fix = spelled(command=f"--allow {difference.name}", python=f"allow=[{difference.name!r}]")
            raise DataError(f"{difference.what}; {difference.rule}, or allow it with {fix}")
        found.append(difference.what)
    return tuple(found)
