"""Which file holds the samples of each task, in a folder of logs with several tasks. Knows names and heads of files."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from stillright.errors import DataError
from stillright.importers.harness_files import files_by_task, find_samples
from stillright.importers.selection import choose, listed
from stillright.jsonl import Keys, read_json, read_objects


def task_files(folder: Path, wanted: str | None = None) -> dict[str, Path]:
    """The file of each task in a folder of logs of lm-evaluation-harness or Inspect, or of our own files.

    wanted: one task, a pattern of names or, of the harness, a group. Raises DataError if there are none, or several
    logs of one task.
    """
    if not folder.is_dir():
        what = "is a file, of one task" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {what}; a suite needs a folder of logs, or a suite.yaml that names files")
    if find_samples(folder):
        return files_by_task(folder, wanted)
    logs = _inspect_logs(folder) or _own_files(folder)
    if not logs:
        raise DataError(
            f"{folder}: no samples_*.jsonl of lm-evaluation-harness (--log_samples), no log of Inspect, and no "
            "baseline (--bless); a suite.yaml names files of other formats"
        )
    names = list(logs)
    chosen = names if wanted is None else [name for name in names if name == wanted or fnmatchcase(name, wanted)]
    return {name: _only(logs[name], name, folder) for name in chosen or [choose("task", names, wanted, str(folder))]}


def _inspect_logs(folder: Path) -> dict[str, list[Path]]:
    from stillright.importers.inspect import task_in  # imports Zstandard

    logs: dict[str, list[Path]] = {}
    for path in _found(folder):
        logs.setdefault(task_in(path), []).append(path)
    return logs


def _own_files(folder: Path) -> dict[str, list[Path]]:
    """All .jsonl files right in the folder whose header names a task."""
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        _, first = next(read_objects(path), (0, {}))
        task = first["header"].get("task") if isinstance(first.get("header"), dict) else None
        if isinstance(task, str):
            files.setdefault(task, []).append(path)
    return files


def _found(folder: Path) -> Iterator[Path]:
    """All .eval files right in the folder, and those .json files that have the keys of a log."""
    for path in sorted(folder.iterdir()):
        if path.suffix == ".eval" or (path.suffix == ".json" and _has_keys_of_log(path)):
            yield path


def _has_keys_of_log(path: Path) -> bool:
    value = read_json(path, Keys | list[msgspec.Raw])
    return isinstance(value, dict) and {"eval", "plan"} <= value.keys()


def _only(logs: list[Path], task: str, folder: Path) -> Path:
    if len(logs) > 1:
        names = listed([str(path.relative_to(folder)) for path in logs])
        raise DataError(f"{folder}: several logs of {task}: {names}; leave one there, or name files in a suite.yaml")
    return logs[0]
