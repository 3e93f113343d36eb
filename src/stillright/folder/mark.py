"""The mark of a stage, written last: what its result was made from, and what it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stillright.digest import folder_digest
from stillright.folder.files import write_atomically

NAMED = 3  # changed inputs that a message names


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """SHA-256 of everything that determines a result."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()


class Mark:
    """A JSON file beside the results of a folder."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> dict[str, Any]:
        """Its content; nothing where there is none, or it cannot be read."""
        try:
            content = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def claims(self, result: Path) -> bool:
        """Whether `result` was made here, or is about to be."""
        return self.file.exists() and self.read().get("of", result.name) == result.name

    def claim(self, result: Path) -> None:
        """Says that `result` will be made here."""
        write_atomically(self.file, json.dumps({"fingerprint": None, "of": result.name}) + "\n")

    def seal(self, result: Path, inputs: Mapping[str, Any]) -> None:
        """Says that `result` is whole, and was made from `inputs`."""
        made = {"fingerprint": fingerprint(inputs), "of": result.name, "result": folder_digest(result)}
        write_atomically(self.file, json.dumps({**made, "inputs": inputs}, indent=2, default=str) + "\n")

    def holds(self, result: Path) -> bool:
        """Whether `result` is there as it was sealed, whatever its inputs were."""
        content = self.read()
        return bool(content.get("fingerprint")) and result.exists() and content.get("result") == folder_digest(result)

    def misses(self, result: Path, inputs: Mapping[str, Any]) -> str | None:
        """Why `result` has to be made from `inputs`, in words, empty for the first time; None where it is there."""
        content = self.read()
        if not content.get("fingerprint") or not result.exists():
            return ""
        if content["fingerprint"] != fingerprint(inputs):
            return _changed(content.get("inputs", {}), json.loads(json.dumps(inputs, default=str)))
        return None if self.holds(result) else f"{result.name} is not as it was left"


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    names = list(_differing(before, now))
    further = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{further} changed"


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Dotted names of the values that are not the same in both."""
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from (f"{name}.{inner}" for inner in _differing(old, new))
        elif old != new or (name in before) != (name in now):
            yield name
