"""What to do with an update that has run: the commands that serve and gate its adapter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import join
from typing import NamedTuple

from stillright.config import UpdateConfig
from stillright.models import ModelRef


class NextStep(NamedTuple):
    """Commands, and what they are for."""

    purpose: str
    commands: list[str]

    def __str__(self) -> str:
        return f"next, {self.purpose}: {' && '.join(self.commands)}"


def next_steps(config: UpdateConfig, folder: Path) -> Iterator[NextStep]:
    """Those of the run in `folder`: of its compat adapter, or where it made none, of new."""
    name, new = "compat" if config.align else "new", ModelRef.parse(config.new)
    if config.align or new.adapter is None:
        served = f"{new.base}+{folder / 'adapters' / name}"
        yield NextStep("to serve it", [join(["stillright", "merge", served, "--out", str(folder / "merged")])])
    old, found = (str(folder / "predictions" / f"{each}.jsonl") for each in ("old", name))
    policy = str(folder / "policy.yaml")
    draft = join(["stillright", "init", "policy", old, found, "--out", policy])
    yield NextStep("to gate it", [draft, join(["stillright", "gate", old, found, "--policy", policy])])
