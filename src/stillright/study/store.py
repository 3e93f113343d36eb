"""The results of stages: OUT/store/KIND-FINGERPRINT, each a workspace of its own; builds a stage there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from stillright import ranks
from stillright.folder.workspace import Workspace
from stillright.progress import Progress
from stillright.stages.data import Data
from stillright.stages.stage import Stage, made, mark_name

PATIENCE = 600.0  # seconds to wait for a lost process to release its stage
KEY_LETTERS = 16


class Store:
    """The folders of stages below one root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, stage: Stage) -> Path:
        """Where the stage is at home."""
        return self.root / f"{stage.kind}-{stage.key[:KEY_LETTERS]}"

    def path(self, stage: Stage) -> Path:
        """Where the stage's result is, or will be."""
        return self.folder(stage) / stage.result

    def is_done(self, stage: Stage) -> bool:
        """Whether the result is there and whole."""
        return self.folder(stage).exists() and self._workspace(stage).holds(
            mark_name(stage, stage.result), stage.result
        )

    def strangers(self, stages: Iterable[Stage]) -> list[Path]:
        """The folders of no stage among these."""
        known = {self.folder(stage) for stage in stages}
        return sorted(folder for folder in self.root.glob("*-*") if folder not in known)

    def seconds(self, stage: Stage) -> float:
        """Seconds spent on the stage, including interrupted attempts."""
        try:
            return float(json.loads(self._clock(stage).read_text(encoding="utf-8"))["seconds"])
        except (OSError, ValueError, KeyError):
            return 0.0

    def tokens(self, stage: Stage) -> int:
        """Tokens trained on, without padding; 0 for a stage that trains nothing."""
        return int(self._training(stage).get("tokens", 0))

    def imitation(self, stage: Stage, measure: str) -> float | None:
        """How well an adapter that was aligned follows old, such as its "r2"; None where it is not known."""
        known = self._training(stage).get("imitation", {})
        return known[measure]["value"] if known else None

    def _training(self, stage: Stage) -> dict[str, Any]:
        """The account beside an adapter that was trained; empty for another result."""
        account = self.path(stage) / "training.json"
        found: dict[str, Any] = json.loads(account.read_text(encoding="utf-8")) if account.exists() else {}
        return found

    def build(self, stage: Stage, console: Console) -> None:
        """Makes the result of a stage whose needs are done, or resumes where it was interrupted."""
        with self._workspace(stage).locked(PATIENCE) as workspace, self._timed(stage):
            made(stage, workspace, stage.result, Data(stage.config), Progress(console), self.path)

    def _workspace(self, stage: Stage) -> Workspace:
        return Workspace(self.folder(stage), Console(quiet=True))

    def _clock(self, stage: Stage) -> Path:
        return self.folder(stage) / ".stillright" / "seconds.json"

    @contextmanager
    def _timed(self, stage: Stage) -> Iterator[None]:
        """Adds the time spent here to the stage's account, even if the attempt fails."""
        before, started = self.seconds(stage), time.monotonic()
        try:
            yield
        finally:
            if ranks.is_main():
                spent = before + time.monotonic() - started
                self._clock(stage).write_text(json.dumps({"seconds": spent}) + "\n", encoding="utf-8")
