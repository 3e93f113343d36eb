"""The samples of several tasks: of a folder of logs, or as a suite.yaml says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stillright.config.suite import Member, Suite
from stillright.errors import DataError
from stillright.importers.read import read_predictions
from stillright.importers.selection import Selection
from stillright.importers.task_files import task_files
from stillright.records import PredictionSet


def read_tasks(path: Path, suite: Suite | None = None, selection: Selection | None = None) -> dict[str, PredictionSet]:
    """The samples of each task by its name: those of `suite`, else all that `selection.task` fits in a folder of logs.

    Raises what reading raises, naming the file.
    """
    selection = selection or Selection()
    if suite is not None:
        if selection.task is not None:
            raise DataError(f"{path}: the suite says which tasks there are; leave task {selection.task!r} out")
        return {member.name: _read_member(path, member, selection) for member in suite.members}
    files = task_files(path, selection.task)
    return {name: read_predictions(file, replace(selection, task=None)) for name, file in files.items()}


def _read_member(path: Path, member: Member, selection: Selection) -> PredictionSet:
    chosen = {name: getattr(member, name) for name in ("metric", "filter") if getattr(member, name) is not None}
    if member.file is not None:
        return read_predictions(path / member.file, replace(selection, task=member.task, **chosen))
    task = member.task or member.name
    files = task_files(path, task)
    if list(files) == [task]:
        return read_predictions(files[task], replace(selection, task=None, **chosen))
    return read_predictions(path, replace(selection, task=task, **chosen))  # a group, read as one
