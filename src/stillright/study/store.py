"""The results of stages: OUT/store/KIND-FINGERPRINT, each a workspace of its own; builds a stage there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console

from stillright import ranks
from stillright.folder.workspace import Workspace
from stillright.models import ModelRef
from stillright.pipeline import Update
from stillright.study.baselines import carry, interpolate
from stillright.study.stages import Stage
from stillright.training.choice.teacher_scores import ScoreFiles
from stillright.training.teachers.cached_teachers import TeacherFolders

RESULTS = {"teach": "said", "predict": "predictions.jsonl", "ensemble": "predictions.jsonl"}  # of others: adapter
SCORES = "scores.safetensors"  # of teachers over choices
PATIENCE = 600.0  # seconds to wait for a lost process to release its stage


class Store:
    """The folders of stages below one root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, stage: Stage) -> Path:
        """Where the stage's result is, or will be."""
        return self.root / stage.folder / _result(stage)

    def model(self, stage: Stage) -> ModelRef:
        """The model that a stage has made."""
        return ModelRef.parse(stage.config.new).with_adapter(self.path(stage))

    def is_done(self, stage: Stage) -> bool:
        """Whether the result is there and whole."""
        folder = self.root / stage.folder
        if not folder.exists():
            return False
        result = self.path(stage).name
        return self._workspace(stage).holds(_mark(stage), result)

    def seconds(self, stage: Stage) -> float:
        """Seconds spent on the stage, including interrupted attempts."""
        try:
            return float(json.loads(self._clock(stage).read_text(encoding="utf-8"))["seconds"])
        except (OSError, ValueError, KeyError):
            return 0.0

    def tokens(self, stage: Stage) -> int:
        """Tokens trained on, without padding; 0 for a stage that trains nothing."""
        account = self.path(stage) / "training.json"
        return int(json.loads(account.read_text(encoding="utf-8"))["tokens"]) if account.exists() else 0

    def build(self, stage: Stage, console: Console) -> None:
        """Makes the result of a stage whose needs are done, or resumes where it was interrupted."""
        with self._workspace(stage).locked(PATIENCE) as workspace, self._timed(stage):
            self._build(stage, Update(stage.config, workspace, console))

    def _build(self, stage: Stage, update: Update) -> None:
        result = self.path(stage).name
        made = {role: self.model(need) for role, need in stage.needs.items() if need.kind != "teach"}
        if stage.kind == "fit":
            update.fit(made.get("model", update.new), result)
        elif _scores_choices(stage):
            update.score(made["model"], update.aligned_choices(made["model"].base), result, stage.name)
        elif stage.kind == "teach":
            update.teach(made["model"], result, stage.name)
        elif stage.kind == "align":
            update.align(made["old"], made["new"], result, self._teachers(stage), self._scores(stage))
        elif stage.kind == "carry":
            self._make(stage, update, made, partial(carry, self.path(stage.needs["old"]), update.new.base))
        elif stage.kind == "interpolate":
            mix = partial(interpolate, made["new"], made["compat"], stage.weight, update.dtype)
            self._make(stage, update, made, mix)
        elif stage.kind == "ensemble":
            update.predict([made["old"], made["new"]], result, stage.name)
        else:
            update.predict([made["model"]], result, stage.name)

    def _make(self, stage: Stage, update: Update, made: Mapping[str, ModelRef], write: Callable[[Path], None]) -> None:
        """An adapter that no training makes: `write` is given the folder for it."""
        inputs = {"models": {role: ref.fingerprint() for role, ref in made.items()}, "key": stage.key}
        update.workspace.stage(_mark(stage), self.path(stage).name, inputs, lambda _, out: write(out))

    def _teachers(self, stage: Stage) -> TeacherFolders | None:
        if "teach_old" not in stage.needs or stage.config.strategy.is_choice:
            return None
        return TeacherFolders(self.path(stage.needs["teach_old"]), self.path(stage.needs["teach_new"]))

    def _scores(self, stage: Stage) -> ScoreFiles | None:
        if not stage.config.strategy.is_choice:
            return None
        new = stage.needs.get("teach_new")
        return ScoreFiles(self.path(stage.needs["teach_old"]), None if new is None else self.path(new))

    def _workspace(self, stage: Stage) -> Workspace:
        return Workspace(self.root / stage.folder, Console(quiet=True))

    def _clock(self, stage: Stage) -> Path:
        return self.root / stage.folder / ".stillright" / "seconds.json"

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


def _scores_choices(stage: Stage) -> bool:
    return stage.kind == "teach" and stage.config.strategy.is_choice


def _result(stage: Stage) -> str:
    """What the result is called in the stage's folder."""
    return SCORES if _scores_choices(stage) else RESULTS.get(stage.kind, "adapter")


def _mark(stage: Stage) -> str:
    """What the stage is called in its workspace: as in a run of one update."""
    kind = "predict" if stage.kind == "ensemble" else stage.kind
    return f"{kind}-{Path(_result(stage)).stem}"
