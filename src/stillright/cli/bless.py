"""--bless of gate: the results of a new model that passed, as the next baseline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from stillright.errors import ConfigError

if TYPE_CHECKING:
    from stillright.config.suite import Suite
    from stillright.records import PredictionSet

ENDING = ".jsonl"


def bless(new: PredictionSet, file: Path) -> None:
    """Writes what was read of new as one file, whole or not at all."""
    from stillright.folder.files import write_atomically
    from stillright.importers.jsonl import predictions_text

    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, predictions_text(new))


def bless_suite(new: Mapping[str, PredictionSet], suite: Suite | None, folder: Path) -> None:
    """Writes one file a task, where the same suite finds it again. Raises ConfigError where it could not be found, and
    if the folder holds other files, which would be taken for tasks."""
    files = _files(new, suite)
    held = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} if folder.is_dir() else set()
    if others := sorted(held - files.keys()):
        raise ConfigError(
            f"--bless {folder}: also holds {others[0]}, which is no part of this baseline; give a new "
            "folder, or that of an earlier one"
        )
    for path, predictions in files.items():
        bless(predictions, folder / path)


def _files(new: Mapping[str, PredictionSet], suite: Suite | None) -> dict[Path, PredictionSet]:
    """By the paths that suite.yaml names, else by the names of tasks, which are then in their headers."""
    members = {} if suite is None else {member.name: member for member in suite.members}
    files: dict[Path, PredictionSet] = {}
    for name, predictions in new.items():
        member = members.get(name)
        file = None if member is None else member.file
        if file is not None and file.suffix != ENDING:
            raise ConfigError(
                f"--bless: a baseline is JSONL, and {name} is read from {file}; let its file be a {ENDING}"
            )
        task = predictions.header.task or (member and member.task) or name
        path = file or Path(f"{quote(task, safe=' ')}{ENDING}")
        if path in files:
            raise ConfigError(
                f"--bless: {path} would hold several metrics of one task, {name} the last; it can hold one"
            )
        files[path] = predictions if file is not None else predictions.of_task(task)
    return files
